//! What can be typed.

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

/// Examples at the foot of `--help`.
const EXAMPLES: &str = "\
Examples:
  bothends -r mail.pcapng -l /var/log/mail.log
      what both ends say of each mail session
  bothends -r netmon.cap -l iis-smtp:ex061009.log -o joined.jsonl
      Network Monitor against an IIS log; JSON Lines for a program
  bothends -r captures/ -l 'logs/*.log' --host 192.0.2.10 --since 2026-11-24T03:30:00Z
      folders and patterns; only one client's later sessions
  tcpdump -w - port 25 | bothends -r -
      the wire alone, from a pipe

Exit status: 0 done · 1 done, errors found in the traffic · 2 wrong usage
             3 done, but some input was damaged or unusable · 4 nothing could be done";

/// What `--log-format` takes.
const LOG_FORMAT: &str = "\
A web server's own log format, as nginx's log_format or Apache's LogFormat has it

NAME: in front of a log names it; logs without a named format are tried as well. Example:
  --log-format 'timed=$remote_addr:$remote_port [$time_local] \"$request\" $status $request_time' -l timed:access.log";

/// Puts a packet capture and a server's log on one clock and joins them, session by session and command by command.
#[derive(Debug, Parser)]
#[command(name = "bothends", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(super) struct Args {
    /// Something else than joining.
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    /// Captures: pcap, pcapng or Network Monitor files, folders, patterns, or - for standard input
    #[arg(short = 'r', long = "read", value_name = "CAPTURE", num_args = 1.., action = clap::ArgAction::Append)]
    pub(super) captures: Vec<PathBuf>,

    /// Server logs, folders or patterns; FORMAT: in front names the format (see `bothends formats`)
    #[arg(short = 'l', long = "log", value_name = "[FORMAT:]LOG", num_args = 1.., action = clap::ArgAction::Append)]
    pub(super) logs: Vec<String>,

    /// Key logs in the format of SSLKEYLOGFILE: TLS whose secrets are there is decrypted (secrets in pcapng are used unasked)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) keylog: Vec<PathBuf>,

    /// A web server's own log format, in the words of nginx or Apache; NAME: in front of a log names it
    #[arg(long, value_name = "NAME=FORMAT", long_help = LOG_FORMAT)]
    pub(super) log_format: Vec<String>,

    /// A format of your own, defined in this TOML file (see docs/own-format.md); also as -l FILE.toml:LOG
    #[arg(long, value_name = "FILE")]
    pub(super) log_definition: Vec<PathBuf>,

    /// Listen on this interface (`any` for all) until interrupted, instead of reading files
    #[cfg(feature = "live")]
    #[arg(
        short = 'i',
        long = "interface",
        value_name = "IFACE",
        conflicts_with = "captures"
    )]
    pub(super) interface: Option<String>,

    /// With -i: stop after this many packets
    #[cfg(feature = "live")]
    #[arg(
        short = 'c',
        long = "count",
        value_name = "PACKETS",
        requires = "interface"
    )]
    pub(super) count: Option<u64>,

    /// With -i: take only packets that this filter lets through (see pcap-filter(7))
    #[cfg(feature = "live")]
    #[arg(
        short = 'f',
        long = "filter",
        value_name = "BPF",
        requires = "interface"
    )]
    pub(super) filter: Option<String>,

    /// Write JSON Lines to this file, beside the text on standard output
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(super) output: Option<PathBuf>,

    /// Write JSON Lines to standard output instead of text
    #[arg(long)]
    pub(super) json: bool,

    /// Show only these sessions (s1, s2 …)
    #[arg(long = "session", value_name = "ID", value_delimiter = ',')]
    pub(super) sessions: Vec<String>,

    /// Show only sessions that were still open at this time (RFC 3339, or YYYY-MM-DD HH:MM:SS in UTC)
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,

    /// Show only sessions that had begun by this time
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,

    /// Show only sessions with this address at either end
    #[arg(long = "host", value_name = "ADDRESS", value_delimiter = ',')]
    pub(super) hosts: Vec<std::net::IpAddr>,

    /// Draw every session, however many there are
    #[arg(long)]
    pub(super) all: bool,

    /// Zone of captures that keep wall-clock time (Network Monitor before 2.3), as +HH:MM east of UTC
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub(super) capture_zone: Option<String>,

    /// Zone of logs that do not state theirs, for all or for one: +HH:MM, or a place (Europe/Berlin) whose summer time is heeded
    #[arg(long, value_name = "[LOG=]ZONE", allow_hyphen_values = true)]
    pub(super) log_zone: Vec<String>,

    /// How logs write letters that are not UTF-8 (windows-1252, iso-8859-15 …), for all or for one; UTF-16 is told by itself
    #[arg(long, value_name = "[LOG=]ENCODING")]
    pub(super) log_encoding: Vec<String>,

    /// Year of the first log stamp where stamps have none (else told by the capture, or by the file's last change)
    #[arg(long, value_parser = clap::value_parser!(i32).range(1970..2262))]
    pub(super) year: Option<i32>,

    /// Colour the text: on a terminal, always, or never; NO_COLOR is heeded too
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) color: Color,

    /// No progress bar, even on a terminal
    #[arg(short, long)]
    pub(super) quiet: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Always,
    Auto,
    Never,
}

/// What there is beside joining.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a completion script for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// List what can be found, or tell how one is decided
    Findings {
        /// Tell how this finding is decided
        #[arg(long, value_name = "CODE")]
        explain: Option<String>,
        /// As Markdown, for documentation
        #[arg(long)]
        markdown: bool,
    },
    /// List the log formats that are known, and what each can show
    Formats {
        /// As JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Tell how to make a server log what a comparison needs, and what that costs
    Logging {
        /// Which server; all are listed when it is left out
        server: Option<String>,
        /// Captures of its traffic, for an estimate of a day's log
        #[arg(short = 'r', long = "read", value_name = "CAPTURE", num_args = 1..)]
        captures: Vec<PathBuf>,
    },
    /// Print the man page (roff)
    Man,
    /// List the protocols that are decoded
    Protocols,
}

/// The command line's definition, for completions and the man page.
pub fn command() -> clap::Command {
    Args::command()
}
