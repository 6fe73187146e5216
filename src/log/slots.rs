//! Things that come and go, each under a number that it keeps; numbers are used again.

/// The things.
pub(super) struct Slots<T> {
    all: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// One more; gives its number.
    pub(super) fn insert(&mut self, thing: T) -> usize {
        let at = self.free.pop().unwrap_or(self.all.len());
        match self.all.get_mut(at) {
            Some(slot) => *slot = Some(thing),
            None => self.all.push(Some(thing)),
        }
        at
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.all.get(at)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.all.get_mut(at)?.as_mut()
    }

    /// Takes one out; its number is free.
    pub(super) fn remove(&mut self, at: usize) -> Option<T> {
        let thing = self.all.get_mut(at)?.take()?;
        self.free.push(at);
        Some(thing)
    }

    /// Takes out those that are `wanted`, with their numbers, which are free; the others keep theirs.
    pub(super) fn take_if(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<(usize, T)> {
        let mut taken = Vec::new();
        for (at, slot) in self.all.iter_mut().enumerate() {
            if let Some(thing) = slot.take_if(|thing| wanted(thing)) {
                taken.push((at, thing));
                self.free.push(at);
            }
        }
        taken
    }

    /// Takes all out, in the order of their numbers.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.free.clear();
        self.all.drain(..).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_and_used_again() {
        let mut slots = Slots::default();
        let [a, b] = ["a", "b"].map(|name| slots.insert(name));
        assert_eq!((slots.remove(a), slots.remove(a)), (Some("a"), None));
        assert_eq!((slots.len(), slots.get(b)), (1, Some(&"b")));
        assert_eq!(slots.insert("c"), a);
        assert_eq!(slots.take_if(|thing| *thing == "c"), [(a, "c")]);
        assert_eq!((slots.len(), slots.insert("c")), (1, a));
        assert_eq!(slots.drain().collect::<Vec<_>>(), ["c", "b"]);
        assert_eq!(slots.len(), 0);
    }
}
