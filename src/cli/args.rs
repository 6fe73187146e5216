//! What can be typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use super::bounds::Bounds;

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
  bothends -r tap1.pcap tap2.pcap --dedup -w joined.pcapng -- host 192.0.2.10
      one host's packets of two taps, each once, kept in a file

Exit status: 0 done · 1 done, errors found in the traffic · 2 wrong usage
             3 done, but some input was damaged or unusable · 4 nothing could be done";

/// What `--log-format` takes.
const LOG_FORMAT: &str = "\
A web server's own log format, as nginx's log_format, Apache's LogFormat or HAProxy's log-format has it

NAME: in front of a log names it; logs without a named format are tried as well. Example:
  --log-format 'timed=$remote_addr:$remote_port [$time_local] \"$request\" $status $request_time' -l timed:access.log
Where none is given and no format fits, it is inferred from the lines; the report then says how, in words that can be corrected and given: nginx's,
and $epoch_ms, $epoch_us, $epoch_ns for the time since 1970 and $reply_octets for octets of the body or of all of the reply, whichever it is.";

/// What `-l` takes.
const LOGS: &str = "\
Server logs, folders or patterns; FORMAT: in front names the format (see `bothends formats`)

A table of IIS's ODBC logging is read with -l 'odbc:CONNECTION-STRING;table=NAME', in a build with unixODBC (--features odbc). Example:
  -l 'odbc:DSN=weblogs;UID=reader;table=inetlog'
Passwords of the connection string are never shown; better keep them in odbc.ini, out of the list of processes.";

/// What `--by-interface` does.
const BY_INTERFACE: &str = "\
Follow each direction of a conversation on the interface that saw it first, or in the capture: packets that others saw are left out and counted

For captures at several points of one way, as of mirror ports, of bridges, and of `any`, where each packet comes once for each of them, however late. \
A direction that its interface has not heard of for a second, and another has, goes on there. Not for links that share the packets of one conversation. \
What is written with -w is not affected";

/// What `--dedup` does.
const DEDUP: &str = "\
Leave out packets that are the same as one within WINDOW before (5ms, 200us, 1s; 5ms when left out)

Mirror ports that copy both directions, and captures on two interfaces of one machine, hold packets twice. The second is \
left out and counted. Two packets are the same when all octets from the IP header on are, but for the hop limit and the checksum of the header, \
which routers change; link addresses, VLAN tags and padding do not count. Where one of two was cut shorter, the headers of IP and TCP decide. What is sent again by its sender is told from a copy by its \
identification or time stamp; keep the window below 10ms, after which the first retransmissions come.";

/// What `--bodies` does.
const BODIES: &str = "\
Write mail messages and HTTP bodies that are readable, in the clear or decrypted, to files in this new or empty folder; never done unasked

One file for each message of SMTP, LMTP and POP3 (RETR), and for each content of HTTP/1, without dot-stuffing and chunk framing and otherwise as \
it was sent: contents stay compressed where they were. s12-3.eml is the third body of session s12; names hold nothing of what was sent. While the run goes on \
files are named part-N. Only their owner may read them. JSON tells octets and SHA-256 of each, and complete:false where the capture lacks some of it, where it broke off, \
or where a bound cut it.";

/// What `-w` does.
const WRITE: &str = "\
Write the packets that were used to this file, as pcapng

Those that passed the filter and were no duplicates, in the order in which they were used, with times in nanoseconds, their interfaces and \
link types, comments, and the secrets stored beside them. Wall-clock times become UTC by --capture-zone. An input is never overwritten.";

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

    /// Another capture of the same traffic, from another point of its path (before or behind an address translation, a firewall, a link)
    #[arg(long, value_name = "CAPTURE")]
    pub(super) other_side: Option<PathBuf>,

    /// Server logs, folders or patterns; FORMAT: in front names the format (see `bothends formats`)
    #[arg(short = 'l', long = "log", value_name = "[FORMAT:]LOG", long_help = LOGS, num_args = 1.., action = clap::ArgAction::Append)]
    pub(super) logs: Vec<String>,

    /// Key logs in the format of SSLKEYLOGFILE: TLS whose secrets are there is decrypted (secrets in pcapng are used unasked)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) keylog: Vec<PathBuf>,

    #[cfg(feature = "live")]
    #[command(flatten)]
    pub(super) growing: Growing,

    /// A web server's own log format, in the words of nginx, Apache or HAProxy; NAME: in front of a log names it
    #[arg(long, value_name = "NAME=FORMAT", long_help = LOG_FORMAT)]
    pub(super) log_format: Vec<String>,

    /// A format of your own, defined in this TOML file (see docs/own-format.md); also as -l FILE.toml:LOG
    #[arg(long, value_name = "FILE")]
    pub(super) log_definition: Vec<PathBuf>,

    /// Write JSON Lines to this file, beside the text on standard output
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(super) output: Option<PathBuf>,

    /// Write JSON Lines to standard output instead of text
    #[arg(long)]
    pub(super) json: bool,

    /// Write mail messages and HTTP bodies that are readable to files in this new or empty folder; never done unasked
    #[arg(long, value_name = "DIR", long_help = BODIES)]
    pub(super) bodies: Option<PathBuf>,

    /// Most MiB written of a body [default: 64]
    #[arg(long, value_name = "MIB", requires = "bodies", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) body_limit: Option<u32>,

    /// Most MiB written of all bodies [default: 1024]
    #[arg(long, value_name = "MIB", requires = "bodies", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) bodies_limit: Option<u32>,

    /// Show only these sessions (s1, s2 …)
    #[arg(long = "session", value_name = "ID", value_delimiter = ',')]
    pub(super) sessions: Vec<String>,

    /// Show only sessions that were still open at this time; all packets are still used (RFC 3339, or YYYY-MM-DD HH:MM:SS in UTC)
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

    /// By how many seconds the clock of a log, or of all, is ahead of the capture's (1.25, -3600), instead of what is found
    #[arg(long, value_name = "[LOG=]SECONDS", allow_hyphen_values = true)]
    pub(super) clock: Vec<String>,

    /// How logs write letters that are not UTF-8 (windows-1252, iso-8859-15 …), for all or for one; UTF-16 is told by itself
    #[arg(long, value_name = "[LOG=]ENCODING")]
    pub(super) log_encoding: Vec<String>,

    /// Year of the first log stamp where stamps have none (else told by the capture, or by the file's last change)
    #[arg(long, value_parser = clap::value_parser!(i32).range(1970..2262))]
    pub(super) year: Option<i32>,

    /// Segments with a wrong checksum: believed, or passed over as by the host that gets them
    #[arg(long, value_enum, default_value = "keep")]
    pub(super) bad_checksums: Checksums,

    /// Threads that read logs, join sessions and look for findings [default: one for each processor]; what comes out does not depend on it
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,

    /// Colour the text: on a terminal, always, or never; NO_COLOR is heeded too
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) color: Color,

    /// No progress bar, even on a terminal
    #[arg(short, long)]
    pub(super) quiet: bool,

    #[command(flatten)]
    pub(super) packets: PacketArgs,

    #[command(flatten)]
    pub(super) bounds: Bounds,

    #[cfg(feature = "live")]
    #[command(flatten)]
    pub(super) listening: Listening,
}

/// Which packets are used, and what else is done with them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Packets")]
pub(super) struct PacketArgs {
    /// Take the packets of several captures one file after the other, as given, instead of by time
    #[arg(long)]
    pub(super) no_merge: bool,

    /// Leave out packets that are the same as one within WINDOW before, as mirror ports give them [default window: 5ms]
    #[arg(long, value_name = "WINDOW", num_args = 0..=1, require_equals = true, default_missing_value = "5ms", long_help = DEDUP)]
    pub(super) dedup: Option<String>,

    /// Follow each direction of a conversation on the interface that saw it first, or in the capture: packets that others saw are left out and counted
    #[arg(long, long_help = BY_INTERFACE)]
    pub(super) by_interface: bool,

    /// Take only packets that this filter lets through (see pcap-filter(7)); also as words at the end, behind --
    #[arg(short = 'f', long = "filter", value_name = "BPF")]
    pub(super) filter: Option<String>,

    /// Stop after this many packets
    #[arg(short = 'c', long = "count", value_name = "PACKETS")]
    pub(super) count: Option<u64>,

    /// Write the packets that were used to this file, as pcapng
    #[arg(short = 'w', long = "write", value_name = "FILE", long_help = WRITE)]
    pub(super) write: Option<PathBuf>,

    /// A filter, as -f
    #[arg(last = true, value_name = "FILTER", conflicts_with = "filter")]
    pub(super) filter_words: Vec<String>,
}

/// What to listen to, and how.
#[cfg(feature = "live")]
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Listening")]
pub(super) struct Listening {
    /// Listen on this interface (`any` for all) until interrupted, instead of reading files; may be given several times
    #[arg(
        short = 'i',
        long = "interface",
        value_name = "IFACE",
        conflicts_with = "captures"
    )]
    pub(super) interfaces: Vec<String>,

    /// List the interfaces that there are
    #[arg(short = 'D', long = "list-interfaces", exclusive = true)]
    pub(super) list: bool,

    /// Kernel buffer for each interface in KiB [default: 16384]
    #[arg(short = 'B', long, value_name = "KIB", requires = "interfaces", value_parser = clap::value_parser!(u32).range(1..=2_097_151))]
    pub(super) buffer_size: Option<u32>,

    /// Most bytes kept of a packet; 0 keeps all [default: 262144]
    #[arg(short = 's', long, value_name = "BYTES", requires = "interfaces", value_parser = clap::value_parser!(u32).range(..=262_144))]
    pub(super) snapshot_length: Option<u32>,

    /// Only packets from and to this host: leave the interface out of promiscuous mode
    #[arg(short = 'p', long, requires = "interfaces")]
    pub(super) no_promiscuous: bool,

    /// Become this user once the interfaces and -w are open; logs, and what -o writes, are then opened as that user
    #[arg(short = 'Z', long, value_name = "USER", requires = "interfaces")]
    pub(super) relinquish: Option<String>,
}

/// What becomes of segments whose checksum is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Checksums {
    /// They are counted and believed: a sending host's own capture is full of them
    Keep,
    /// They are counted and passed over
    Drop,
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
    /// Tell what a session or a log line could have been joined with, and what spoke for each
    Why {
        /// A session (s12), or a line of a log (mail.log:18)
        #[arg(value_name = "SESSION|LOG:LINE")]
        what: String,
        /// Captures, logs and the rest as without `why`
        #[arg(value_name = "OPTIONS", trailing_var_arg = true, allow_hyphen_values = true, num_args = 1..)]
        rest: Vec<String>,
    },
}

/// The command line's definition, for completions and the man page.
pub fn command() -> clap::Command {
    Args::command()
}

/// Logs that grow.
#[cfg(feature = "live")]
#[derive(Debug, clap::Args)]
pub(super) struct Growing {
    /// Read logs on while they are written, over rotation, and give each session once it is settled: beside -i what is written meanwhile, beside
    /// -r until the packets are over, alone until interrupted
    #[arg(long, requires = "logs", conflicts_with = "other_side")]
    pub(super) follow: bool,
}
