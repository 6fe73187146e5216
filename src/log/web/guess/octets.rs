//! Which column has the octets of the reply, and whether of its body.
//!
//! nginx's `$body_bytes_sent` and `$bytes_sent`, Apache's `%b` and `%O` look alike: only replies that have no body tell them apart. Where none
//! is among the lines, the column is taken for either, and what it counts is left to what passed on the wire.

use super::column::{Column, Columns};
use super::kind::{Kind, STATUS, is_absent, is_number};

/// Statuses of replies without a body (RFC 9110 section 6.4.1).
const BODILESS: [&str; 2] = ["204", "304"];
/// Octets that a reply with its head has at least: `HTTP/1.1 200 OK` and two ends of lines.
const LEAST: u64 = 19;

impl Columns<'_> {
    /// Octets of replies: by name, or right behind the status.
    pub(super) fn take_octets(&mut self, status: Option<usize>) {
        let Some((status, codes)) = status.and_then(|at| Some((at, self.all.get(at)?))) else {
            return;
        };
        let found = self.free(|column| counted(column, codes).is_some());
        let by_name = self.free(|column| {
            column.is_named(&["byte", "size", "octet", "length", "body"])
                && !column.is_named(&["request", "req_", "received", "recv"])
                && !column.is_of_others()
        });
        let of_bodies = self.free(is_named_body);
        let by_name: Vec<usize> = found
            .into_iter()
            .filter(|at| by_name.contains(at))
            .collect();
        let mut bodies = by_name.iter().filter(|at| of_bodies.contains(at));
        let at = match (by_name.as_slice(), bodies.next(), bodies.next()) {
            ([one], ..) | (_, Some(one), None) => Some(*one),
            ([], ..) => Some(status + 1).filter(|at| self.is_free_nameless(*at)),
            _ => None,
        };
        let kind = at.and_then(|at| counted(self.all.get(at)?, codes));
        if let Some((at, kind)) = at.zip(kind) {
            self.set(at, kind);
        }
    }
}

fn is_named_body(column: &Column<'_>) -> bool {
    column.is_named(&["body"])
}

/// What a column counts if it counts octets of replies; `None` where it cannot, or where another thing is as likely.
fn counted(column: &Column<'_>, codes: &Column<'_>) -> Option<Kind> {
    let mut numbers = Vec::new();
    let (mut without, mut with) = (false, false);
    for (value, code) in column.values().iter().zip(codes.values()) {
        let octets = match *value {
            value if is_absent(value) => None,
            value => Some(is_number(value).then(|| value.parse::<u64>().ok())??),
        };
        numbers.extend(octets);
        match octets.unwrap_or_default() {
            _ if !BODILESS.contains(code) => {}
            0 => without = true,
            LEAST.. => with = true,
            _ => return None,
        }
    }
    let is_code = column.values().iter().all(|value| STATUS.contains(value));
    let (least, most) = (numbers.iter().min()?, numbers.iter().max()?);
    // A port or a process is the same on many lines.
    let varies = least < most && *most >= LEAST && !is_code;
    if column.is_nameless() && !varies || without && with {
        return None;
    }
    if without || is_named_body(column) && !with {
        return Some(Kind::Body);
    }
    Some(Kind::Reply)
}
