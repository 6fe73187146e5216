//! How far a run is: a bar on a terminal, nothing elsewhere.

use std::cell::Cell;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Whether to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// When standard error is a terminal.
    #[default]
    OnTerminal,
    /// Never.
    Never,
}

/// A bar over the bytes of all inputs.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Bytes of the present input that are read.
    read: Cell<u64>,
}

impl Progress {
    /// A bar on standard error; it appears only when there is something to wait for.
    pub fn new(show: Show) -> Self {
        let target = match show {
            // Draws nothing when standard error is no terminal.
            Show::OnTerminal => ProgressDrawTarget::stderr_with_hz(8),
            Show::Never => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template(
            "{msg:32!} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self {
            bar,
            read: Cell::default(),
        }
    }

    /// For whoever reads other inputs meanwhile.
    pub(super) fn beside(&self) -> Self {
        Self {
            bar: self.bar.clone(),
            read: Cell::default(),
        }
    }

    /// More bytes to read.
    pub(super) fn expect(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// What is being read.
    pub(super) fn begin(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// `bytes` of the present input are read.
    pub(super) fn at(&self, bytes: u64) {
        let before = self.read.replace(bytes);
        self.bar.inc(bytes.saturating_sub(before));
    }

    /// The present input of `bytes` is done.
    pub(super) fn end(&self, bytes: u64) {
        self.at(bytes);
        self.read.set(0);
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
