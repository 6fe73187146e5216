//! A run from options to account.

use std::path::PathBuf;
use std::thread;

use crate::align::{align, compare};
use crate::capture::{HEAD_OF_FORMAT, by_table};
use crate::diagnose::{View, diagnose, endings};
use crate::input::{Front, Input, InputError, expand};
use crate::log::Era;
use crate::model::{Conversation, Finding, LogSession, LogTime, Nanos, Severity, WireSession};
use crate::report::{Account, OtherSide, Part};

use super::beside::{Beside, CAPTURES, When};
use super::captures::{self, Wires};
use super::keys::Keys;
use super::logs::{self, LogFile, Told};
use super::options::LogPlace;
use super::output::Output;
use super::{Options, PipelineError, Progress, zones};

/// Exit status of a run in which nothing could be done.
pub(super) const FAILED: u8 = 4;

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
    let Begun {
        mut failures,
        mut fronts,
        output,
        mut keys,
    } = match begin(options, progress) {
        Ok(begun) => begun,
        Err(error) => return refused(error),
    };
    let when = When::of(options, &fronts);
    let opened = captures::open(&mut fronts, &mut failures);
    #[cfg(feature = "live")]
    let opened = match with_live(opened, options) {
        Ok(opened) => opened,
        Err(error) => return refused(error),
    };
    let captures = match captures::begin(opened, output, options, &keys) {
        Ok(captures) => captures,
        Err(error) => return refused(error),
    };
    let captures = (captures, &mut keys);
    let (mut wires, mut told) = read(captures, when, options, &mut failures, progress);
    if told.failures.is_empty() && failures.is_empty() {
        failures.extend(logs::unmatched(options, &told.sources));
    }
    failures.extend(told.failures);
    progress.begin("aligning");
    let origin = wires.origin.unwrap_or_default();
    let alignment = align(
        &wires.sessions,
        &told.sources,
        &mut told.sessions,
        origin,
        options.threads,
    );
    progress.clear();
    let mut sources = told.sources;
    // Which line is of which session is settled now.
    options
        .threads
        .change(&mut told.sessions, LogSession::look_at_commands);
    let capture_zone = zones::infer(&mut wires.sources, &mut sources, &alignment.clocks);
    let mut account = Account {
        captures: wires.sources,
        keys: keys.sources,
        sources,
        wires: wires.sessions,
        logs: told.sessions,
        unlisted: wires.unlisted,
        neighbours: wires.neighbours,
        other_side: None,
        origin,
        passed_over: wires.passed_over,
        alignment,
        capture_zone,
        findings: Vec::new(),
        endings: Vec::new(),
        overruns: wires.overruns,
        selection: options.selection.clone(),
        exit: 0,
        threads: options.threads,
        part: Part::default(),
    };
    account.other_side = other_side(&account, options, progress, &mut failures);
    let view = View {
        captures: &account.captures,
        sources: &account.sources,
        wires: &account.wires,
        logs: &account.logs,
        unlisted: &account.unlisted,
        neighbours: &account.neighbours,
        alignment: &account.alignment,
    };
    let (findings, endings) = options
        .threads
        .both(|| diagnose(view, options.threads), || endings(view));
    (account.endings, account.findings) = (endings, findings);
    account.exit = exit_status(&account, &failures);
    Run { account, failures }
}

/// What a run begins with.
pub(super) struct Begun {
    pub(super) failures: Vec<PipelineError>,
    pub(super) fronts: Vec<Front>,
    pub(super) output: Option<Output>,
    pub(super) keys: Keys,
}

/// Reads the captures and, meanwhile or then, the logs.
fn read(
    (captures, keys): (captures::Begun<'_>, &mut Keys),
    when: When,
    options: &Options,
    failures: &mut Vec<PipelineError>,
    progress: &mut Progress,
) -> (Wires, Told) {
    let mut unopened = Vec::new();
    let early = match when {
        When::After => None,
        When::Beside(first) => {
            let files = open_logs(options, &mut unopened, progress);
            let era = era(options, first, &files);
            Some((files, era))
        }
    };
    progress.begin(CAPTURES);
    let (mut wires, read) = thread::scope(|scope| {
        let logs = early.as_ref().and_then(|(files, era)| {
            Beside::begin(scope, (files, *era), options, progress.beside())
        });
        let wires = captures::read(captures, options, keys, progress);
        (wires, logs.map(Beside::join))
    });
    failures.extend(wires.failure.take());
    failures.extend(wires.unwritten.take());
    let files = match early {
        Some((files, _)) => files,
        None => open_logs(options, &mut unopened, progress),
    };
    failures.extend(unopened);
    let sources = wires.sources.iter();
    let last = sources.filter_map(|capture| capture.last).max();
    let told = logs::read_once(&files, era(options, last, &files), read, options, progress);
    (wires, told)
}

/// Opens what is there at the beginning of a run.
pub(super) fn begin(options: &Options, progress: &Progress) -> Result<Begun, PipelineError> {
    let mut failures = Vec::new();
    let fronts = fronts(options, &mut failures);
    let output = output(options)?;
    for front in &fronts {
        progress.expect(match front {
            Front::Whole(input) => size(input),
            Front::Passing(input) => input.size.unwrap_or(0),
        });
    }
    let keylogs = open(&options.keylogs, options, &mut failures);
    let keys = Keys::read(&keylogs);
    for source in &keys.sources {
        if source.held.is_useless() {
            failures.push(PipelineError::Keylog {
                file: source.file.clone(),
            });
        }
    }
    Ok(Begun {
        failures,
        fronts,
        output,
        keys,
    })
}

/// The capture of the other point, read and compared.
fn other_side(
    account: &Account,
    options: &Options,
    progress: &mut Progress,
    failures: &mut Vec<PipelineError>,
) -> Option<OtherSide> {
    let path = options.other_side.as_ref()?;
    let there = Options {
        captures: vec![path.clone()],
        packets: super::PacketRules::default(),
        bodies: None,
        ..options.clone()
    };
    let mut inputs = fronts(&there, failures);
    let opened = captures::open(&mut inputs, failures);
    if opened.is_empty() {
        return None;
    }
    let mut keys = Keys::default();
    let captures = match captures::begin(opened, None, &there, &keys) {
        Ok(captures) => captures,
        Err(error) => {
            failures.push(error);
            return None;
        }
    };
    let there = captures::read(captures, &there, &mut keys, progress);
    failures.extend(there.failure);
    progress.clear();
    let ends = |wire: &WireSession| {
        let Conversation { client, server, .. } = wire.conversation;
        (client.to_string(), server.to_string())
    };
    Some(OtherSide {
        file: path.display().to_string(),
        ends: there.sessions.iter().map(ends).collect(),
        path: compare(&account.wires, &there.sessions, account.origin),
    })
}

/// A run that could not begin.
pub(super) fn refused(error: PipelineError) -> Run {
    let account = Account {
        exit: FAILED,
        ..Account::default()
    };
    Run {
        account,
        failures: vec![error],
    }
}

/// The file that packets are written to, if any.
fn output(options: &Options) -> Result<Option<Output>, PipelineError> {
    let Some(path) = &options.packets.write else {
        return Ok(None);
    };
    let logs = options.logs.iter().filter_map(|log| log.place.files());
    let inputs = options.captures.iter().map(PathBuf::as_path).chain(logs);
    let inputs: Vec<PathBuf> = inputs
        .flat_map(|path| expand(path).unwrap_or_default())
        .collect();
    Output::create(path, &inputs, options.capture_zone).map(Some)
}

/// The captures, each ready to be read from its front.
fn fronts(options: &Options, failures: &mut Vec<PipelineError>) -> Vec<Front> {
    let mut fronts = Vec::new();
    for path in expanded(&options.captures, failures) {
        match Front::open(&path, &options.stop, options.most_unpacked).and_then(settled) {
            Ok(front) => fronts.push(front),
            Err(error) => failures.push(error.into()),
        }
    }
    fronts
}

/// A stream of a format that is read by a table at its end is kept on disk.
fn settled(front: Front) -> Result<Front, InputError> {
    let Front::Passing(mut input) = front else {
        return Ok(front);
    };
    if by_table(input.window.ahead(HEAD_OF_FORMAT)) {
        return Ok(Front::Whole(input.spool()?));
    }
    Ok(Front::Passing(input))
}

/// The interfaces listened to, if any, beside the files.
#[cfg(feature = "live")]
pub(super) fn with_live<'m>(
    mut opened: Vec<captures::Opened<'m>>,
    options: &Options,
) -> Result<Vec<captures::Opened<'m>>, PipelineError> {
    let Some(request) = &options.live else {
        return Ok(opened);
    };
    let live = crate::capture::Live::open(request, &options.stop)?;
    (options.tell.0)(&format!("listening on {}", live.listening()));
    opened.push(captures::Opened {
        name: request.interfaces.join(", "),
        damage: crate::model::DamageLog::default(),
        reader: Box::new(live),
    });
    Ok(opened)
}

/// Opens the logs as they are now: while an interface was listened to, they grew.
fn open_logs(
    options: &Options,
    failures: &mut Vec<PipelineError>,
    progress: &Progress,
) -> Vec<LogFile> {
    let mut files = Vec::new();
    for log in &options.logs {
        let opened = match &log.place {
            LogPlace::Files(path) => open(std::slice::from_ref(path), options, failures),
            LogPlace::Table(address) => match Input::open_table(address) {
                Ok(input) => vec![input],
                Err(error) => {
                    failures.push(error.into());
                    continue;
                }
            },
        };
        files.extend(opened.into_iter().map(|input| LogFile {
            input,
            format: log.format.clone(),
        }));
    }
    for file in &files {
        progress.expect(size(&file.input));
    }
    files
}

/// When the logs were written, for stamps without a year, where the capture was `heard_until` some moment.
fn era(options: &Options, heard_until: Option<Nanos>, files: &[LogFile]) -> Era {
    let modified = || files.iter().filter_map(|file| file.input.modified).max();
    match options.year {
        Some(year) => Era::Year(year),
        None => heard_until
            .or_else(modified)
            .map_or(Era::default(), |until| Era::Until(LogTime(until.0))),
    }
}

fn size(input: &Input) -> u64 {
    u64::try_from(input.bytes.len()).unwrap_or(u64::MAX)
}

/// 0 nothing wrong found, 1 something is wrong in the traffic, 3 something damaged or unusable, 4 nothing usable at all.
///
/// What is wrong with the input is told first, as it casts doubt on the findings.
fn exit_status(account: &Account, failures: &[PipelineError]) -> u8 {
    if account.captures.is_empty() && account.sources.is_empty() {
        FAILED
    } else if account.damaged() || !failures.is_empty() {
        3
    } else {
        let wrong = |finding: &Finding| finding.severity == Severity::Error;
        u8::from(account.findings.iter().any(wrong))
    }
}

fn open(paths: &[PathBuf], options: &Options, failures: &mut Vec<PipelineError>) -> Vec<Input> {
    let mut inputs = Vec::new();
    for path in expanded(paths, failures) {
        match Input::open_within(&path, options.most_unpacked) {
            Ok(input) => inputs.push(input),
            Err(error) => failures.push(error.into()),
        }
    }
    inputs
}

/// The files that arguments name.
fn expanded(paths: &[PathBuf], failures: &mut Vec<PipelineError>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        match expand(path) {
            Ok(files) => found.extend(files),
            Err(error) => failures.push(error.into()),
        }
    }
    found
}
