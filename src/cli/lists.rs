//! Lists for a person: formats and protocols.

use std::io::{self, Write};

use crate::log::registry::FORMATS;
use crate::protocol::registry::PROTOCOLS;

/// Writes the log formats, one a line.
pub(super) fn formats(out: &mut dyn Write) -> io::Result<()> {
    for entry in FORMATS {
        writeln!(out, "{:<20} {}", entry.name, entry.about)?;
    }
    Ok(())
}

/// Writes the protocols and the ports where they are at home.
pub(super) fn protocols(out: &mut dyn Write) -> io::Result<()> {
    let list = |ports: &[u16]| {
        let texts: Vec<String> = ports.iter().map(u16::to_string).collect();
        texts.join(", ")
    };
    for entry in PROTOCOLS {
        writeln!(
            out,
            "{:<8} in the clear on {}; inside TLS on {}; found by content on any port",
            entry.proto,
            list(entry.ports),
            list(entry.tls_ports)
        )?;
    }
    Ok(())
}
