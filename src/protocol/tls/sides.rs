//! One thing for each side of a connection.

use crate::model::Side;

/// The client's and the server's.
#[derive(Clone, Debug, Default)]
pub(super) struct Sides<T> {
    client: T,
    server: T,
}

impl<T> Sides<T> {
    /// The one of `side`.
    pub(super) const fn of(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// The one of `side`, to change.
    pub(super) const fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
