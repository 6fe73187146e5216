//! Logs become log sessions.

use crate::input::Input;
use crate::log::{self, Chosen, How};
use crate::model::{LogId, LogSession, LogSource, LogTime, Span, Zone};

use super::{PipelineError, Progress, ZoneRule};

/// What the logs gave.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) sources: Vec<LogSource>,
    pub(super) sessions: Vec<LogSession>,
    pub(super) failures: Vec<PipelineError>,
}

/// Reads all logs, one after the other.
pub(super) fn read(
    inputs: &[(Input, Option<Chosen>)],
    how: How<'_>,
    rules: &[ZoneRule],
    progress: &mut Progress,
) -> Told {
    let mut told = Told::default();
    for (at, (input, format)) in inputs.iter().enumerate() {
        progress.begin(&input.name);
        let id = LogId(u16::try_from(at).unwrap_or(u16::MAX));
        let size = u64::try_from(input.bytes.len()).unwrap_or(u64::MAX);
        let how = How {
            format: format.as_ref(),
            ..how
        };
        let read = log::read_as(id, &input.name, &input.bytes, how, &mut |at| {
            progress.at(at);
        });
        progress.end(size);
        match read {
            Ok((mut source, mut sessions)) => {
                source.damage.absorb(input.damage.clone());
                if let Some(rule) = rules.iter().rev().find(|rule| rule.fits(&input.name)) {
                    give_zone(rule.east, &mut source, &mut sessions);
                }
                told.sources.push(source);
                told.sessions.append(&mut sessions);
            }
            Err(source) => told.failures.push(PipelineError::Log {
                file: input.name.clone(),
                source,
            }),
        }
    }
    told
}

impl ZoneRule {
    fn fits(&self, file: &str) -> bool {
        self.file
            .as_deref()
            .is_none_or(|given| given == file || file.ends_with(&format!("/{given}")))
    }
}

/// Turns wall-clock stamps into UTC; a zone that the log states itself stands.
fn give_zone(east: Span, source: &mut LogSource, sessions: &mut [LogSession]) {
    if matches!(source.zone, Zone::Stated(_)) {
        return;
    }
    source.zone = Zone::Given(east);
    let earlier = |at: &mut LogTime| *at = *at - east;
    source.first.as_mut().map(earlier);
    source.last.as_mut().map(earlier);
    for event in sessions.iter_mut().flat_map(|session| &mut session.events) {
        event.stamp.at = event.stamp.at - east;
    }
}
