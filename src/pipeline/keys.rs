//! Secrets from key logs and from the captures themselves.

use crate::capture::{Merged, SecretsKind};
use crate::input::Input;
use crate::model::KeySource;
use crate::protocol::tls::Secrets;

/// The secrets given, and where they were.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) secrets: Secrets,
    pub(super) sources: Vec<KeySource>,
    /// Secrets of each capture that have been taken, and its place among the sources.
    taken: Vec<(usize, Option<usize>)>,
}

impl Keys {
    /// Takes the secrets of key logs.
    pub(super) fn read(inputs: &[Input]) -> Self {
        let secrets = Secrets::default();
        let sources = inputs
            .iter()
            .map(|input| KeySource {
                file: input.name.clone(),
                held: secrets.read_keylog(&input.bytes),
            })
            .collect();
        Self {
            secrets,
            sources,
            taken: Vec::new(),
        }
    }

    /// Takes what the capture `from`, called `name`, has given since it was last asked.
    pub(super) fn catch_up(&mut self, merged: &Merged<'_>, from: usize, name: &str) {
        let all = merged.secrets_of(from);
        if all.is_empty() {
            return;
        }
        if self.taken.len() <= from {
            self.taken.resize(from + 1, (0, None));
        }
        let Some((taken, place)) = self.taken.get_mut(from) else {
            return;
        };
        for found in all.get(*taken..).unwrap_or_default() {
            *taken += 1;
            if found.kind != SecretsKind::TLS_KEY_LOG {
                continue;
            }
            let held = self.secrets.read_keylog(&found.bytes);
            let at = *place.get_or_insert_with(|| {
                self.sources.push(KeySource {
                    file: name.to_owned(),
                    held: crate::model::Keylog::default(),
                });
                self.sources.len() - 1
            });
            if let Some(source) = self.sources.get_mut(at) {
                source.held.absorb(held);
            }
        }
    }
}
