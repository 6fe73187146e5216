//! From arguments to exit status.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context as _, Result};
use clap::Parser as _;

use crate::pipeline::{Options, Progress, Run, Show, Tell, run, run_onward};
use crate::report::escape::terminal;
use crate::report::registry::{Entry as Output, OUTPUTS, Writer};
use crate::report::{Account, write_why};

use super::args::{Args, Color, Command, command};
use super::{exit, formats, lists, logging, plan, signals};

/// Does what the arguments of this process say.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Why { what, rest }) => tell_why(what, rest),
        Some(command) => aside(command).map(|()| 0),
        None => join(&args),
    };
    match done {
        Ok(status) => exit::code(status),
        // The reader has seen enough (`| head`).
        Err(error) if is_broken_pipe(&error) => exit::code(0),
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::code(if error.is::<Usage>() {
                exit::USAGE
            } else {
                exit::FAILED
            })
        }
    }
}

/// Marks an error as one of usage.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct Usage(anyhow::Error);

fn aside(what: &Command) -> Result<()> {
    let mut out = io::stdout().lock();
    match what {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut command(), "bothends", &mut out);
        }
        Command::Findings { explain, markdown } => match explain {
            Some(code) => lists::explain(code, &mut out)?,
            None => lists::findings(*markdown, &mut out)?,
        },
        Command::Formats { json } => formats::formats(*json, &mut out)?,
        Command::Logging { server, captures } => {
            let told = logging::logging(server.as_deref(), captures, &mut out);
            told.map_err(|error| {
                if error.is::<io::Error>() {
                    error
                } else {
                    Usage(error).into()
                }
            })?;
        }
        Command::Man => clap_mangen::Man::new(command()).render(&mut out)?,
        Command::Protocols => lists::protocols(&mut out)?,
        // It reads inputs, so it is not done aside.
        Command::Why { .. } => {}
    }
    Ok(())
}

fn join(args: &Args) -> Result<u8> {
    #[cfg(feature = "live")]
    if args.listening.list {
        lists::interfaces(&mut io::stdout().lock())?;
        return Ok(0);
    }
    let mut options = plan::options(args).map_err(Usage)?;
    signals::answer(&options, complain)?;
    if !args.quiet {
        options.tell = Tell(complain);
    }
    if options.follow {
        return join_onward(args, &options);
    }
    let show = if args.quiet {
        Show::Never
    } else {
        Show::OnTerminal
    };
    let Run { account, failures } = run(&options, &mut Progress::new(show));
    for failure in &failures {
        complain(&failure.to_string());
    }
    if account.exit == exit::FAILED {
        return Ok(exit::FAILED);
    }
    if let Some(path) = &args.output {
        to_file(&account, path)?;
    }
    to_standard_output(&account, args)?;
    let exit = account.exit;
    // The process ends: to free millions of sessions one by one would take seconds.
    std::mem::forget(account);
    Ok(exit)
}

/// Joins while packets pass and logs are written.
fn join_onward(args: &Args, options: &Options) -> Result<u8> {
    let mut outputs = Outputs::open(args)?;
    let mut progress = Progress::new(Show::Never);
    let Run { account, failures } = run_onward(options, &mut progress, &mut |part| {
        outputs.write(part, |output| output.part)
    })?;
    for failure in &failures {
        complain(&failure.to_string());
    }
    if account.exit != exit::FAILED {
        outputs.write(&account, |output| output.end)?;
    }
    Ok(account.exit)
}

/// Where a run that goes on writes to.
struct Outputs {
    standard: AutoStream<io::Stdout>,
    name: &'static str,
    file: Option<File>,
}

impl Outputs {
    fn open(args: &Args) -> Result<Self> {
        let file = args.output.as_deref().map(|path| {
            File::create(path).with_context(|| format!("cannot write '{}'", path.display()))
        });
        Ok(Self {
            standard: AutoStream::new(io::stdout(), color(args)),
            name: name(args),
            file: file.transpose()?,
        })
    }

    /// Writes by one of an output's writers, so that whoever reads has it at once.
    fn write(&mut self, account: &Account, which: impl Fn(&Output) -> Writer) -> io::Result<()> {
        let writer = |name: &str| {
            let output = OUTPUTS.iter().find(|output| output.name == name);
            output.map(&which)
        };
        if let (Some(file), Some(write)) = (&mut self.file, writer("jsonl")) {
            let mut out = BufWriter::new(file);
            write(account, &mut out)?;
            out.flush()?;
        }
        if let Some(write) = writer(self.name) {
            let mut out = BufWriter::new(&mut self.standard);
            write(account, &mut out)?;
            out.flush()?;
        }
        Ok(())
    }
}

/// What `what` could have been joined with, under the options in `rest`.
fn tell_why(what: &str, rest: &[String]) -> Result<u8> {
    let program = std::iter::once("bothends");
    let words = program.chain(rest.iter().map(String::as_str));
    let args = Args::try_parse_from(words).map_err(|error| Usage(error.into()))?;
    let options = plan::options(&args).map_err(Usage)?;
    let Run { account, failures } = run(&options, &mut Progress::new(Show::Never));
    for failure in &failures {
        complain(&failure.to_string());
    }
    if account.exit == exit::FAILED {
        return Ok(exit::FAILED);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if !write_why(&account, what, &mut out)? {
        return Err(Usage(anyhow::anyhow!(
            "there is no '{what}': name a session (s12) or a line that belongs to one (mail.log:18)"
        ))
        .into());
    }
    out.flush()?;
    Ok(0)
}

fn to_file(account: &Account, path: &Path) -> Result<()> {
    let failed = || format!("cannot write '{}'", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(failed)?);
    write(account, "jsonl", &mut file).with_context(failed)?;
    file.flush().with_context(failed)
}

fn to_standard_output(account: &Account, args: &Args) -> Result<()> {
    let mut out = BufWriter::new(AutoStream::new(io::stdout().lock(), color(args)));
    write(account, name(args), &mut out)?;
    Ok(out.flush()?)
}

/// Which output goes to standard output.
const fn name(args: &Args) -> &'static str {
    if args.json { "jsonl" } else { "text" }
}

fn color(args: &Args) -> ColorChoice {
    match args.color {
        // JSON has no colour to be taken out of it.
        _ if args.json => ColorChoice::AlwaysAnsi,
        Color::Always => ColorChoice::Always,
        Color::Auto => AutoStream::choice(&io::stdout()),
        Color::Never => ColorChoice::Never,
    }
}

fn write(account: &Account, name: &str, out: &mut dyn Write) -> io::Result<()> {
    match OUTPUTS.iter().find(|output| output.name == name) {
        Some(output) => (output.write)(account, out),
        None => Ok(()),
    }
}

/// The one place that writes to standard error.
fn complain(message: &str) {
    let mut lines = message.lines();
    let first = terminal(lines.next().unwrap_or_default()).into_owned();
    let mut err = io::stderr().lock();
    // Nobody is left to tell when this fails.
    let mut told = writeln!(err, "bothends: {first}");
    for line in lines {
        told = told.and_then(|()| writeln!(err, "  {}", terminal(line.trim())));
    }
    drop(told);
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
