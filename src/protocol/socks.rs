//! SOCKS 4, 4a and 5 (RFC 1928, RFC 1929): the handshake is read, and what follows it is told by what is said.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::record::{add_name, remark, text};
use super::runs::Runs;
use super::tls::Opener;
use super::{Decoder, Dialogue, Entry, Opening, Step, Verdict};
use crate::flow::StreamEvent;
use crate::model::{Exchange, Nanos, PacketNo, Proto, Seen, Side, Verb};

/// The row of the registry.
pub(super) const ENTRY: Entry = Entry {
    proto: Proto("socks"),
    ports: &[1080],
    tls_ports: &[],
    opener: Opener::Client,
    runs: Runs::PLAIN,
    alpn: &[],
    probe,
    start: || Box::new(Socks::default()),
};

/// Longest message of either version: a user name and a host name of 255 octets, or a user name and a password.
const MAX_MESSAGE: usize = 1024;
/// Most octets that a client may send ahead of the server's consent.
const MAX_AHEAD: usize = 64 << 10;
/// Why a handshake is given up.
const NOT_FOLLOWED: &str = "the SOCKS handshake cannot be followed";

/// Which message is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The client's first: a request of version 4, or its methods.
    #[default]
    Opening,
    /// The server chooses a method (§3).
    Method,
    /// User name and password (RFC 1929).
    Login,
    /// Whether they are right.
    Admitted,
    /// The client's request (§4).
    Request,
    /// The server's reply to it, in version 4 or 5.
    Reply(Version, Command),
    /// The handshake is over, or cannot be followed.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Four,
    Five,
}

/// What the client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    /// A connection to a server.
    Connect,
    /// To take one, which a second reply tells of.
    Bind,
    /// Datagrams beside this connection, or something unknown.
    Other,
}

/// The state of one handshake.
#[derive(Debug, Default)]
struct Socks {
    stage: Stage,
    sides: [Heard; 2],
    exchange: Option<Exchange>,
    /// Where the tunnel leads, and the port there.
    target: Option<(String, u16)>,
}

/// What a side said and nobody has read yet.
#[derive(Debug, Default)]
struct Heard {
    bytes: Vec<u8>,
    /// The moment and the packet of each segment, and how many octets of it are left.
    segments: Vec<(Nanos, PacketNo, usize)>,
}

/// How long a message is: `None` while it has not all come, 0 where it is none.
type Length = Option<usize>;

/// A client says one message and waits for the answer, so that both together are told by their lengths too.
fn probe(opening: &Opening<'_>) -> Verdict {
    let answered = match opening.server {
        [] | [5 | 0] => None,
        [5, method] if *method <= 9 || *method == 0xff => Some(Version::Five),
        [0, code, ..] if (90..=93).contains(code) => Some(Version::Four),
        _ => return Verdict::RuledOut,
    };
    let asked = match opening.client {
        [] => None,
        bytes => match first_message(bytes) {
            Some((version, None)) => Some((version, false)),
            Some((version, Some(length))) if length == bytes.len() => Some((version, true)),
            _ => return Verdict::RuledOut,
        },
    };
    match (asked, answered) {
        (Some((version, true)), Some(answered)) if version == answered => Verdict::Certain,
        (Some(_), Some(_)) => Verdict::RuledOut,
        _ => Verdict::NeedMore,
    }
}

/// The version of a client's first message and its length; `None` where it is none.
fn first_message(bytes: &[u8]) -> Option<(Version, Length)> {
    match bytes {
        [4, ..] => {
            let length = request_4_length(bytes);
            let known = bytes.get(1).is_none_or(|command| matches!(command, 1 | 2));
            (known && length != Some(0)).then_some((Version::Four, length))
        }
        [5] => Some((Version::Five, None)),
        [5, 0, ..] => None,
        [5, count, rest @ ..] => {
            let length = 2 + usize::from(*count);
            let whole = rest.len() >= usize::from(*count);
            Some((Version::Five, whole.then_some(length)))
        }
        _ => None,
    }
}

/// Version 4: a user name up to a zero, and where the address is 0.0.0.x a host name up to another (4a).
fn request_4_length(bytes: &[u8]) -> Length {
    let fixed = bytes.get(..8)?;
    let rest = bytes.get(8..)?;
    let zero = |bytes: &[u8]| match memchr::memchr(0, bytes) {
        None if bytes.len() > 255 => Some(None),
        found => found.map(Some),
    };
    let Some(user) = zero(rest)? else {
        return Some(0);
    };
    if !matches!(fixed, [_, _, _, _, 0, 0, 0, last] if *last > 0) {
        return Some(8 + user + 1);
    }
    match zero(rest.get(user + 1..)?)? {
        Some(host) => Some(8 + user + 1 + host + 1),
        None => Some(0),
    }
}

/// Version 5, request or reply: version, command, zero, kind of address, address, port (§4, §6).
fn message_5_length(bytes: &[u8]) -> Length {
    let [version, _, _, kind, first] = bytes.first_chunk()?;
    let address = match kind {
        1 => 4,
        3 => 1 + usize::from(*first),
        4 => 16,
        _ => return Some(0),
    };
    let length = if *version == 5 { 4 + address + 2 } else { 0 };
    (bytes.len() >= length).then_some(length)
}

/// RFC 1929 §2: version 1, a user name and a password, each behind its length.
fn login_length(bytes: &[u8]) -> Length {
    let [version, user] = bytes.first_chunk()?;
    let password = usize::from(*bytes.get(2 + usize::from(*user))?);
    let length = 3 + usize::from(*user) + password;
    let length = if *version == 1 { length } else { 0 };
    (bytes.len() >= length).then_some(length)
}

/// The address and the port behind the first four octets of a message of version 5.
fn target_5(message: &[u8]) -> Option<(String, u16)> {
    let (kind, rest) = (message.get(3)?, message.get(4..)?);
    let (address, port) = rest.split_at_checked(rest.len().checked_sub(2)?)?;
    let host = match kind {
        1 => Ipv4Addr::from(*address.first_chunk::<4>()?).to_string(),
        4 => format!("[{}]", Ipv6Addr::from(*address.first_chunk::<16>()?)),
        _ => text(address.get(1..)?),
    };
    Some((host, u16::from_be_bytes(*port.first_chunk()?)))
}

/// The address, or in version 4a the host name, and the port.
fn target_4(message: &[u8]) -> Option<(String, u16)> {
    let [_, _, high, low, address @ ..] = message.first_chunk::<8>()?;
    let port = u16::from_be_bytes([*high, *low]);
    if matches!(address, [0, 0, 0, last] if *last > 0) {
        let names = message.get(8..message.len().checked_sub(1)?)?;
        let host = names.rsplit(|octet| *octet == 0).next()?;
        return Some((text(host), port));
    }
    Some((Ipv4Addr::from(*address).to_string(), port))
}

/// What a reply of version 4 says.
const fn words_4(code: u8) -> &'static str {
    match code {
        90 => "granted",
        91 => "rejected or failed",
        92 => "rejected: the proxy cannot reach identd on the client",
        93 => "rejected: identd names another user",
        _ => "unknown",
    }
}

/// What a reply of version 5 says (§6).
const fn words_5(code: u8) -> &'static str {
    match code {
        0 => "succeeded",
        1 => "general failure",
        2 => "not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown",
    }
}

const fn method_words(method: u8) -> &'static str {
    match method {
        0 => "no authentication",
        1 => "GSSAPI",
        2 => "user name and password",
        0xff => "none is acceptable",
        _ => "another method",
    }
}

impl Stage {
    /// Whose message it is.
    const fn speaker(self) -> Option<Side> {
        match self {
            Self::Opening | Self::Login | Self::Request => Some(Side::Client),
            Self::Method | Self::Admitted | Self::Reply(..) => Some(Side::Server),
            Self::Over => None,
        }
    }

    /// How long the next message is.
    fn length(self, bytes: &[u8]) -> Length {
        match self {
            Self::Opening => match first_message(bytes) {
                Some((_, length)) => length,
                None => Some(0),
            },
            Self::Method | Self::Admitted => (bytes.len() >= 2).then_some(2),
            Self::Login => login_length(bytes),
            Self::Request | Self::Reply(Version::Five, _) => message_5_length(bytes),
            Self::Reply(Version::Four, _) => (bytes.len() >= 8).then_some(8),
            Self::Over => Some(0),
        }
    }
}

impl Heard {
    fn hear(&mut self, at: Nanos, packet: PacketNo, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.segments.push((at, packet, bytes.len()));
    }

    /// Takes `length` octets out; with when the first and the last of them came, and the packet of the first.
    fn take(&mut self, length: usize) -> (Vec<u8>, Nanos, Nanos, PacketNo) {
        let rest = self.bytes.split_off(length.min(self.bytes.len()));
        let message = std::mem::replace(&mut self.bytes, rest);
        let mut left = message.len();
        let (mut first, mut last) = (None, Nanos(0));
        self.segments.retain_mut(|(at, packet, octets)| {
            if left > 0 {
                first.get_or_insert((*at, *packet));
                last = *at;
                let taken = left.min(*octets);
                left -= taken;
                *octets -= taken;
            }
            *octets > 0
        });
        let (at, packet) = first.unwrap_or((last, PacketNo(0)));
        (message, at, last, packet)
    }

    /// What is left, segment by segment.
    fn rest(&mut self) -> Vec<(Nanos, PacketNo, Vec<u8>)> {
        let mut rest = std::mem::take(&mut self.bytes).into_iter();
        let segments = std::mem::take(&mut self.segments).into_iter();
        segments
            .map(|(at, packet, octets)| (at, packet, rest.by_ref().take(octets).collect()))
            .collect()
    }
}

impl Socks {
    /// Reads the messages that are whole; gives what comes after the last.
    fn read(&mut self, out: &mut Dialogue) -> Option<Step> {
        while let Some(side) = self.stage.speaker() {
            let heard = self.sides.get_mut(side.index())?;
            let length = match self.stage.length(&heard.bytes) {
                None if heard.bytes.len() > MAX_MESSAGE => 0,
                length => length?,
            };
            if length == 0 {
                self.give_up(NOT_FOLLOWED, out);
                return None;
            }
            let (message, first, last, packet) = heard.take(length);
            match side {
                Side::Client => self.asks(&message, (first, last, packet), out),
                Side::Server => self.answers(&message, (first, last, packet), out),
            }
            if self.stage == Stage::Over {
                return self.hand_over(out);
            }
        }
        None
    }

    /// The client's message.
    fn asks(&mut self, message: &[u8], when: (Nanos, Nanos, PacketNo), out: &mut Dialogue) {
        let (verb, request) = match (self.stage, message) {
            (Stage::Opening, [4, command, ..]) => {
                self.target = target_4(message);
                self.stage = Stage::Reply(Version::Four, command_of(*command));
                let user = message
                    .get(8..)
                    .and_then(|rest| rest.split(|it| *it == 0).next());
                if let Some(user) = user.filter(|user| !user.is_empty()) {
                    add_name(out, text(user));
                }
                self.wants("SOCKS4", *command)
            }
            (Stage::Request, [_, command, ..]) => {
                self.target = target_5(message);
                self.stage = Stage::Reply(Version::Five, command_of(*command));
                self.wants("SOCKS5", *command)
            }
            (Stage::Login, [_, length, rest @ ..]) => {
                let user = text(rest.get(..usize::from(*length)).unwrap_or_default());
                self.stage = Stage::Admitted;
                let request = format!("SOCKS5 login {user} ***");
                add_name(out, user);
                ("LOGIN".to_owned(), request)
            }
            (_, [_, _, methods @ ..]) => {
                self.stage = Stage::Method;
                let names: Vec<&str> = methods.iter().map(|it| method_words(*it)).collect();
                (
                    "HELLO".to_owned(),
                    format!("SOCKS5 offers {}", names.join(", ")),
                )
            }
            _ => return,
        };
        let mut exchange = Exchange::new(Verb::new(&verb), request, Seen::Wire);
        exchange.start = Some(when.0);
        exchange.asked = Some(when.1);
        exchange.packets = [Some(when.2), None];
        exchange.request_bytes = u64::try_from(message.len()).ok();
        self.exchange = Some(exchange);
    }

    fn wants(&self, version: &str, command: u8) -> (String, String) {
        let verb = match command {
            1 => "CONNECT",
            2 => "BIND",
            3 => "UDP-ASSOCIATE",
            _ => "?",
        };
        let (host, port) = self.target.clone().unwrap_or_default();
        (verb.to_owned(), format!("{version} {verb} {host}:{port}"))
    }

    /// The server's message.
    fn answers(&mut self, message: &[u8], when: (Nanos, Nanos, PacketNo), out: &mut Dialogue) {
        let code = message.get(1).copied().unwrap_or_default();
        let words = match self.stage {
            Stage::Method => {
                self.stage = match code {
                    0 => Stage::Request,
                    2 => Stage::Login,
                    _ => Stage::Over,
                };
                self.target = None;
                method_words(code)
            }
            Stage::Admitted => {
                let admitted = code == 0;
                self.stage = if admitted {
                    Stage::Request
                } else {
                    Stage::Over
                };
                if admitted { "admitted" } else { "refused" }
            }
            Stage::Reply(version, command) => {
                let (granted, words) = match version {
                    Version::Four => (code == 90, words_4(code)),
                    Version::Five => (code == 0, words_5(code)),
                };
                // Of BIND a second reply tells who came.
                let again = granted && command == Command::Bind;
                self.stage = if again {
                    Stage::Reply(version, Command::Connect)
                } else {
                    Stage::Over
                };
                if !granted || command == Command::Other {
                    self.target = None;
                }
                words
            }
            _ => return,
        };
        let mut exchange = self
            .exchange
            .take()
            .unwrap_or_else(|| Exchange::new(Verb::default(), String::new(), Seen::Wire));
        exchange.start.get_or_insert(when.0);
        exchange.answered = Some(when.0);
        exchange.end = Some(when.1);
        exchange.response = Some(format!("{code} {words}"));
        exchange.code = Some(code.to_string());
        exchange.response_bytes = u64::try_from(message.len()).ok();
        let [_, answered] = &mut exchange.packets;
        *answered = Some(when.2);
        out.exchanges.push(exchange);
    }

    /// The tunnel stands: what follows is another conversation.
    fn hand_over(&mut self, out: &mut Dialogue) -> Option<Step> {
        let (host, port) = self.target.take()?;
        remark(
            &mut out.notes,
            format!("a SOCKS tunnel to {host} port {port}"),
        );
        let [client, server] = &mut self.sides;
        Some(Step::HandOver {
            rest: server.bytes.len(),
            ahead: client.rest(),
            port: Some(port),
        })
    }

    fn give_up(&mut self, why: &str, out: &mut Dialogue) {
        remark(&mut out.notes, format!("{why}: what follows is not read"));
        self.stage = Stage::Over;
        self.sides = [Heard::default(), Heard::default()];
    }
}

const fn command_of(command: u8) -> Command {
    match command {
        1 => Command::Connect,
        2 => Command::Bind,
        _ => Command::Other,
    }
}

impl Decoder for Socks {
    fn event(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) -> Step {
        match event {
            StreamEvent::Data {
                side,
                at,
                packet,
                bytes,
            } if self.stage != Stage::Over => {
                if let Some(heard) = self.sides.get_mut(side.index()) {
                    heard.hear(at, packet, bytes);
                }
                let step = self.read(out);
                if self.sides.iter().any(|heard| heard.bytes.len() > MAX_AHEAD) {
                    self.give_up(NOT_FOLLOWED, out);
                }
                match step {
                    // The last word of the handshake is the server's.
                    Some(step) if side == Side::Server => return step,
                    Some(_) => self.give_up(NOT_FOLLOWED, out),
                    None => {}
                }
            }
            // Where it begins anew cannot be told: its messages look alike.
            StreamEvent::Gap { .. } if self.stage != Stage::Over => {
                self.give_up("the SOCKS handshake was not captured whole", out);
            }
            _ => {}
        }
        Step::Continue
    }

    fn finish(&mut self, out: &mut Dialogue) {
        out.exchanges.extend(self.exchange.take());
    }
}

#[cfg(test)]
mod tests;
