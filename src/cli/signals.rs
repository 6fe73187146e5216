//! What signals do: one to stop and report, one to tell how far the run is.

use std::io;
use std::path::Path;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::pipeline::Options;

/// Has signals answered while `options` are carried out.
///
/// SIGINT and SIGTERM end what waits for packets, and what came is reported; a second one ends the program at once. A run over
/// files, which ends by itself, ends at the first. SIGUSR1 has `say` tell how far the run is.
pub(super) fn answer(options: &Options, say: fn(&str)) -> io::Result<()> {
    if waits(options) {
        for signal in [SIGINT, SIGTERM] {
            let stop = options.stop.flag();
            // In this order: the first one finds the flag unset and sets it.
            signal_hook::flag::register_conditional_default(signal, stop.clone())?;
            signal_hook::flag::register(signal, stop)?;
        }
    }
    let meter = options.meter.clone();
    let mut asked = Signals::new([SIGUSR1])?;
    std::thread::spawn(move || {
        for _ in asked.forever() {
            say(&meter.to_string());
        }
    });
    Ok(())
}

/// Whether the run waits for packets that are still to come.
fn waits(options: &Options) -> bool {
    let is_pipe =
        |path: &Path| path == Path::new("-") || !path.is_file() && !path.is_dir() && path.exists();
    options.follow || listens(options) || options.captures.iter().any(|path| is_pipe(path))
}

#[cfg(feature = "live")]
const fn listens(options: &Options) -> bool {
    options.live.is_some()
}

#[cfg(not(feature = "live"))]
const fn listens(_: &Options) -> bool {
    false
}
