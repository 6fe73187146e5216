//! What the numbers of the protocol are called (IANA, Domain Name System Parameters).

use crate::model::RecordType;

/// What a response code is called (RFC 1035 §4.1.1, RFC 6895 §2.3).
pub(super) fn code_name(code: u16) -> String {
    const NAMES: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    match code {
        16 => "BADVERS".into(),
        23 => "BADCOOKIE".into(),
        _ => NAMES
            .get(usize::from(code))
            .map_or_else(|| format!("RCODE{code}"), |name| (*name).to_owned()),
    }
}

/// What an operation other than an ordinary query is called (RFC 6895 §2.2).
pub(super) const fn opcode_name(opcode: u8) -> &'static str {
    match opcode {
        0 => "QUERY",
        1 => "IQUERY",
        2 => "STATUS",
        4 => "NOTIFY",
        5 => "UPDATE",
        _ => "DSO",
    }
}

/// What a record type is called; `TYPE65280` where it has no name here (RFC 3597 §5).
pub(super) fn type_name(record_type: RecordType) -> String {
    const NAMES: [(u16, &str); 25] = [
        (1, "A"),
        (2, "NS"),
        (5, "CNAME"),
        (6, "SOA"),
        (12, "PTR"),
        (13, "HINFO"),
        (15, "MX"),
        (16, "TXT"),
        (28, "AAAA"),
        (33, "SRV"),
        (35, "NAPTR"),
        (39, "DNAME"),
        (43, "DS"),
        (46, "RRSIG"),
        (47, "NSEC"),
        (48, "DNSKEY"),
        (50, "NSEC3"),
        (52, "TLSA"),
        (64, "SVCB"),
        (65, "HTTPS"),
        (99, "SPF"),
        (251, "IXFR"),
        (252, "AXFR"),
        (255, "ANY"),
        (257, "CAA"),
    ];
    NAMES
        .iter()
        .find(|(number, _)| *number == record_type.0)
        .map_or_else(
            || format!("TYPE{}", record_type.0),
            |(_, name)| (*name).to_owned(),
        )
}
