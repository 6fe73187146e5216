//! One conversation as the packets show it.

use std::net::IpAddr;
use std::{fmt, iter};

use super::{
    Burst, Conversation, Encryption, Exchange, Fault, Forwarded, IcmpError, LedBy, Lookup,
    MailMessage, Nanos, Passage, Process, Proto, Side, Span, StoredBody,
};

/// Number of a packet, from 1, in the order in which the capture inputs were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketNo(pub u64);

/// A conversation between two endpoints, from its first packet to its last.
#[derive(Clone, Debug)]
pub struct WireSession {
    /// Who talks to whom.
    pub conversation: Conversation,
    /// What is spoken, by content; inside TLS by negotiation or by port.
    pub proto: Proto,
    /// How it is protected.
    pub encryption: Encryption,
    /// First packet.
    pub start: Nanos,
    /// Last packet.
    pub end: Nanos,
    /// Number of the first packet.
    pub first_packet: PacketNo,
    /// Whether the connection was established, in the words of Zeek's `conn.log` (`SF`, `S0`, `REJ` …).
    pub conn_state: &'static str,
    /// What happened in order, in the letters of Zeek's `conn.log` (`ShADadFf`).
    pub history: String,
    /// What each side sent.
    pub counts: Counts,
    /// How the connection was opened.
    pub handshake: Handshake,
    /// How its packets fared on their way.
    pub passage: Passage,
    /// The visible part of TLS.
    pub tls: Option<TlsSummary>,
    /// Commands and replies read in the clear, in order.
    pub exchanges: Vec<Exchange>,
    /// Encrypted runs after the TLS handshake, in order.
    pub bursts: Vec<Burst>,
    /// Exchanges that the encrypted runs let infer where nobody tells what was said, in order.
    pub inferred: Vec<Exchange>,
    /// Names the client gave: HELO argument, user.
    pub names: Vec<String>,
    /// Clients that the end of the connection says it speaks for. The first 1000.
    pub forwarded: Vec<Forwarded>,
    /// ICMP errors that quote a packet of it. The first 16.
    pub icmp_errors: Vec<IcmpError>,
    /// Places where two copies of the same octets differ. The first 16.
    pub overlaps: Vec<Overlap>,
    /// The program of the capturing machine that owned it, where the capture says so.
    pub process: Option<Process>,
    /// Names looked up in it, where it is one with a name server.
    pub lookups: Vec<Lookup>,
    /// The look-up that gave the client the address it connects to, where that is plain.
    pub led_by: Option<LedBy>,
    /// Mail messages sent in it. The first 1000.
    pub messages: Vec<MailMessage>,
    /// Bodies that were written to files, by number.
    pub bodies: Vec<StoredBody>,
    /// Departures from the protocol, in the order in which they first occurred.
    pub faults: Vec<Fault>,
    /// What else is remarkable about it, and its faults with what was said, in words for a person.
    pub notes: Vec<String>,
}

/// What each direction of a connection carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub [Direction; 2]);

/// What one side of a connection sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Packets.
    pub packets: u64,
    /// Octets of payload, each counted once however often it was sent.
    pub bytes: u64,
    /// Segments that carried payload already seen, alone or with new payload behind it; keep-alives and window probes apart.
    pub retransmissions: u64,
    /// Segments captured again, at another point of their way or by another interface, and not sent again: with a number
    /// (identification, RFC 791) that their sender had counted past.
    pub copies: u64,
    /// Of `retransmissions`, segments that the other side had acknowledged before: sent again for nothing.
    pub needless: u64,
    /// Segments that filled a hole so late that they must have been sent again: the first copy was lost
    /// before it reached the capture.
    pub refilled: u64,
    /// Segments that filled a hole too soon to have been sent again: they were overtaken.
    pub out_of_order: u64,
    /// Holes in the stream that nothing filled.
    pub gaps: u64,
    /// Octets missing in those holes.
    pub missing: u64,
    /// Of these, octets that the other side acknowledged: they passed, and the capture lost them.
    pub lost_in_capture: u64,
    /// Of these, octets of packets that were captured only in part (snap length).
    pub cut: u64,
    /// Octets sent again with a different content.
    pub conflicting: u64,
    /// Segments that announced a receive window of zero.
    pub zero_windows: u64,
    /// How long the receive window was closed, in all.
    pub window_closed: Span,
    /// Probes of the other side's closed window.
    pub window_probes: u64,
    /// Keep-alive probes (RFC 9293 §3.8.4).
    pub keep_alives: u64,
    /// Answers to the other side's keep-alive probes.
    pub keep_alive_answers: u64,
    /// Segments with an urgent pointer.
    pub urgent: u64,
    /// Segments whose timestamp is older than one seen in order: the receiver drops them (PAWS, RFC 7323 §5).
    pub old_timestamps: u64,
    /// Packets whose checksum is wrong.
    pub bad_checksums: u64,
    /// Segments too far off the stream to belong to it.
    pub foreign: u64,
    /// Resets outside the receiver's window, which it ignores (RFC 5961 §3.2).
    pub stray_resets: u64,
}

/// Two copies of the same octets of a stream that differ: a defect on the way, or an attempt to show the
/// receiver and an observer different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Whose stream.
    pub side: Side,
    /// The packet that carried the copy that came first and was kept.
    pub kept: PacketNo,
    /// The packet that carried the other copy.
    pub other: PacketNo,
    /// Octets compared that are not the same in both.
    pub octets: u64,
    /// Where they begin to differ; `None` where the first copy is not remembered as it was.
    pub versions: Option<Versions>,
}

/// What two copies say from the first octet on that is not the same, each at most [`Versions::SHOWN`] octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The copy that was kept.
    pub kept: Box<[u8]>,
    /// The other.
    pub other: Box<[u8]>,
}

impl Versions {
    /// Most octets of each.
    pub const SHOWN: usize = 48;

    /// What `kept` and `other` say where they begin to differ, if they do.
    pub fn of(kept: &[u8], other: &[u8]) -> Option<Self> {
        let differs = kept.iter().zip(other).position(|(one, two)| one != two)?;
        let shown = |octets: &[u8]| {
            let rest = octets.get(differs..).unwrap_or_default();
            Box::from(rest.get(..Self::SHOWN).unwrap_or(rest))
        };
        Some(Self {
            kept: shown(kept),
            other: shown(other),
        })
    }
}

/// The three-way handshake (RFC 9293 §3.5) as the capture shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// First SYN.
    pub syn: Option<Nanos>,
    /// SYNs in all: more than one were sent again.
    pub syns: u32,
    /// First SYN with ACK.
    pub syn_ack: Option<Nanos>,
    /// SYNs with ACK in all.
    pub syn_acks: u32,
    /// The client's first acknowledgement after it.
    pub ack: Option<Nanos>,
    /// Octets of data on the first SYN (Fast Open, RFC 7413).
    pub syn_octets: u32,
    /// Sequence numbers of the first SYN and of its answer, the client's and the server's.
    pub initial: [Option<u32>; 2],
    /// Whether both sides sent a SYN without being asked (RFC 9293 §3.5).
    pub simultaneous: bool,
}

/// A TLS protocol version as on the wire; unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsVersion(pub u16);

/// A host name from the server-name extension (RFC 6066 §3), as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName(pub String);

/// What a TLS handshake shows without keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSummary {
    /// Version the server chose.
    pub version: Option<TlsVersion>,
    /// Highest version the client offered.
    pub offered: Option<TlsVersion>,
    /// Cipher suite the server chose, by its IANA name; by its number (`0x13ff`) where it has none.
    pub cipher: Option<String>,
    /// Octets by which the plaintext of each record in a [`Burst`] may be given too high: the padding of a
    /// block cipher, at most a block less one. 0 where the plaintext is exact.
    pub padding: u16,
    /// Name the client asked for.
    pub server_name: Option<ServerName>,
    /// Application protocol the server chose where that is visible (TLS 1.2 and before), else all that the
    /// client offered (RFC 7301).
    pub alpn: Vec<String>,
    /// Whether `alpn` is what the server chose.
    pub alpn_chosen: bool,
    /// Whether the server took up an earlier session, or in TLS 1.3 any pre-shared key; `None` when that
    /// cannot be seen.
    pub resumed: Option<bool>,
    /// Whether the client's hello holds another one, encrypted, or pretends to (RFC 9849): the name it shows may not
    /// be the one it asks for.
    pub encrypted_hello: bool,
    /// Whether the server had the client begin anew with other key shares (RFC 8446 §4.1.4).
    pub retried: bool,
    /// The server's certificate, where it is sent in the clear (TLS 1.2 and before).
    pub certificate: Option<Certificate>,
    /// Certificates that the server sent, its own counted; `None` where they cannot be seen.
    pub chain_length: Option<u32>,
    /// JA3 fingerprint of the client hello: 32 hexadecimal digits. `None` for a hello in the SSLv2 format.
    pub ja3: Option<String>,
    /// JA4 fingerprint of the client hello (`t13d1516h2_8daaf6152771_e5627efa2ab1`). `None` as for `ja3`.
    pub ja4: Option<String>,
    /// Client hello on the wire: its last byte.
    pub client_hello: Option<Nanos>,
    /// Server hello on the wire: its last byte. A hello retry request does not count.
    pub server_hello: Option<Nanos>,
    /// The client's Finished, or the first application data where that comes first or Finished was not
    /// seen: the handshake is over.
    pub finished: Option<Nanos>,
    /// Alerts seen in the clear or decrypted, in words: `server: unknown CA (fatal)`. The first 16.
    pub alerts: Vec<String>,
    /// What secrets opened; `None` where none of this session were given.
    pub decryption: Option<Decryption>,
}

/// How far the records of a session could be opened with the secrets given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decryption {
    /// Records opened.
    pub opened: u64,
    /// Records that did not authenticate: nothing of them is shown.
    pub failed: u64,
}

/// The parts of an X.509 certificate (RFC 5280) that a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Distinguished name of the holder.
    pub subject: String,
    /// Distinguished name of the signer.
    pub issuer: String,
    /// End of validity.
    pub not_after: Nanos,
}

impl Handshake {
    /// From the first SYN to the client's acknowledgement of its answer: one round trip, wherever between the
    /// two ends the capture was made. `None` where it was not seen, or the SYN was sent more than once.
    pub fn round_trip(&self) -> Option<Span> {
        let once = self.syns == 1 && !self.simultaneous;
        let (syn, ack) = (self.syn?, self.ack?);
        once.then(|| ack.since(syn))
            .filter(|span| *span > Span::ZERO)
    }
}

impl Direction {
    /// Segments that did not reach the receiver, as far as the capture tells: those that filled a hole late,
    /// and those sent again that had not been acknowledged.
    pub const fn lost_on_network(&self) -> u64 {
        self.refilled + self.retransmissions.saturating_sub(self.needless)
    }
}

impl WireSession {
    /// A conversation of which nothing is known yet but who has it, in which protocol, and when it began.
    pub fn new(conversation: Conversation, proto: Proto, start: Nanos) -> Self {
        Self {
            conversation,
            proto,
            encryption: Encryption::None,
            start,
            end: start,
            first_packet: PacketNo(1),
            conn_state: "OTH",
            history: String::new(),
            counts: Counts::default(),
            handshake: Handshake::default(),
            passage: Passage::default(),
            tls: None,
            exchanges: Vec::new(),
            bursts: Vec::new(),
            inferred: Vec::new(),
            names: Vec::new(),
            icmp_errors: Vec::new(),
            overlaps: Vec::new(),
            process: None,
            lookups: Vec::new(),
            led_by: None,
            forwarded: Vec::new(),
            messages: Vec::new(),
            bodies: Vec::new(),
            faults: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The client's own address, and those of the clients that it says it speaks for.
    pub fn named_clients(&self) -> impl Iterator<Item = IpAddr> {
        let forwarded = self.forwarded.iter().map(|named| named.client);
        iter::once(self.conversation.client.ip).chain(forwarded)
    }
}

impl Counts {
    /// What `side` sent.
    pub const fn of(&self, side: Side) -> &Direction {
        let [client, server] = &self.0;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// What `side` sent, to count on.
    pub const fn of_mut(&mut self, side: Side) -> &mut Direction {
        let [client, server] = &mut self.0;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }
}

impl TlsSummary {
    /// Whether any of its records were opened with secrets.
    pub fn is_opened(&self) -> bool {
        self.decryption.is_some_and(|done| done.opened > 0)
    }
}

impl TlsVersion {
    /// Numbers and names of the versions (RFC 6101, 2246, 4346, 5246, 8446).
    const NAMES: [(u16, &'static str); 6] = [
        (0x0002, "SSLv2"),
        (0x0300, "SSLv3"),
        (0x0301, "TLSv1"),
        (0x0302, "TLSv1.1"),
        (0x0303, "TLSv1.2"),
        (0x0304, "TLSv1.3"),
    ];

    /// SSLv2, which has another record format.
    pub const SSL_2: Self = Self(0x0002);

    /// TLS 1.3, whose handshake hides what follows the server hello.
    pub const TLS_1_3: Self = Self(0x0304);

    /// The version a log calls `name` (`TLSv1.2`, also `TLSv1.0`).
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.strip_suffix(".0").unwrap_or(name);
        Self::NAMES
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|&(number, _)| Self(number))
    }
}

/// As OpenSSL and the servers' logs spell it: `TLSv1.3`; unknown ones as a number.
impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.pad(name),
            None => write!(f, "0x{:04x}", self.0),
        }
    }
}
