//! A run from options to account.

use std::path::PathBuf;

use crate::align::align;
use crate::diagnose::{View, diagnose};
use crate::input::{Input, expand};
use crate::log::{Chosen, How};
use crate::model::{Finding, Nanos, Severity};
use crate::report::Account;

use super::{Options, PipelineError, Progress, captures, logs, zones};

/// What a run gave.
#[derive(Debug)]
pub struct Run {
    /// What was found out from the inputs that could be used.
    pub account: Account,
    /// Inputs that could not.
    pub failures: Vec<PipelineError>,
}

/// Reads everything, joins it, and gives the account.
///
/// Inputs that cannot be used are among the failures; the others are still read.
pub fn run(options: &Options, progress: &mut Progress) -> Run {
    let mut failures = Vec::new();
    let captures = open(&options.captures, &mut failures);
    expect(captures.iter(), progress);
    progress.begin("captures");
    let opened = captures::open(&captures, &mut failures);
    #[cfg(feature = "live")]
    let opened = with_live(opened, options, &mut failures);
    let mut wires = captures::read(opened, options.capture_zone, options.limits, progress);
    // Only now: while an interface is listened to, logs grow.
    let mut told_logs: Vec<(Input, Option<Chosen>)> = Vec::new();
    for log in &options.logs {
        let opened = open(std::slice::from_ref(&log.path), &mut failures);
        told_logs.extend(opened.into_iter().map(|input| (input, log.format.clone())));
    }
    expect(told_logs.iter().map(|(input, _)| input), progress);
    let year = options
        .year
        .or_else(|| wires.origin.map(Nanos::year))
        .or_else(|| told_logs.iter().find_map(|(input, _)| input.modified_year))
        .unwrap_or(1970);
    let how = How {
        format: None,
        own: &options.own_formats,
        year,
    };
    let told = logs::read(&told_logs, how, &options.log_zones, progress);
    failures.extend(told.failures);
    progress.begin("aligning");
    let origin = wires.origin.unwrap_or_default();
    let alignment = align(&wires.sessions, &told.sources, &told.sessions, origin);
    progress.clear();
    let mut sources = told.sources;
    let capture_zone = zones::infer(&mut wires.sources, &mut sources, &alignment.clocks);
    let mut account = Account {
        captures: wires.sources,
        sources,
        wires: wires.sessions,
        logs: told.sessions,
        neighbours: wires.neighbours,
        passed_over: wires.passed_over,
        alignment,
        capture_zone,
        findings: Vec::new(),
        overruns: wires.overruns,
        selection: options.selection.clone(),
        exit: 0,
    };
    account.findings = diagnose(View {
        captures: &account.captures,
        sources: &account.sources,
        wires: &account.wires,
        logs: &account.logs,
        neighbours: &account.neighbours,
        alignment: &account.alignment,
    });
    account.exit = exit_status(&account, &failures);
    Run { account, failures }
}

/// The interface listened to, if any, beside the files.
#[cfg(feature = "live")]
fn with_live<'m>(
    mut opened: Vec<captures::Opened<'m>>,
    options: &Options,
    failures: &mut Vec<PipelineError>,
) -> Vec<captures::Opened<'m>> {
    use crate::capture::Live;
    let Some(request) = &options.live else {
        return opened;
    };
    match Live::open(request) {
        Ok(live) => opened.push(captures::Opened {
            name: request.interface.clone(),
            damage: crate::model::DamageLog::default(),
            reader: Box::new(live),
        }),
        Err(error) => failures.push(error.into()),
    }
    opened
}

/// How much there is to read.
fn expect<'a>(inputs: impl Iterator<Item = &'a Input>, progress: &mut Progress) {
    for input in inputs {
        progress.expect(u64::try_from(input.bytes.len()).unwrap_or(u64::MAX));
    }
}

/// 0 nothing wrong found, 1 something is wrong in the traffic, 3 something damaged or unusable, 4 nothing usable at all.
///
/// What is wrong with the input is told first, as it casts doubt on the findings.
fn exit_status(account: &Account, failures: &[PipelineError]) -> u8 {
    if account.captures.is_empty() && account.sources.is_empty() {
        4
    } else if account.damaged() || !failures.is_empty() {
        3
    } else {
        let wrong = |finding: &Finding| finding.severity == Severity::Error;
        u8::from(account.findings.iter().any(wrong))
    }
}

fn open(paths: &[PathBuf], failures: &mut Vec<PipelineError>) -> Vec<Input> {
    let mut inputs = Vec::new();
    for path in paths {
        let found = expand(path).unwrap_or_else(|error| {
            failures.push(error.into());
            Vec::new()
        });
        for path in found {
            match Input::open(&path) {
                Ok(input) => inputs.push(input),
                Err(error) => failures.push(error.into()),
            }
        }
    }
    inputs
}
