//! Lists for a person: findings and protocols.

use std::io::{self, Write};

use crate::diagnose::registry::{RULES, Rule};
use crate::protocol::registry::PROTOCOLS;

/// Writes the interfaces that can be listened to, one a line.
#[cfg(feature = "live")]
pub(super) fn interfaces(out: &mut dyn Write) -> anyhow::Result<()> {
    for device in crate::capture::devices()? {
        let addresses = device.addresses.iter().map(ToString::to_string);
        let words = device.state.iter().map(ToString::to_string);
        let words: Vec<String> = words.chain(addresses).chain(device.about).collect();
        writeln!(out, "{:<16} {}", device.name, words.join(", "))?;
    }
    Ok(())
}

/// Writes what can be found, with an example of each.
pub(super) fn findings(markdown: bool, out: &mut dyn Write) -> io::Result<()> {
    if markdown {
        writeln!(
            out,
            "| code | says | decided by | example |\n|---|---|---|---|"
        )?;
    }
    for rule in RULES {
        if markdown {
            let Rule {
                code,
                about,
                decided,
                example,
                ..
            } = rule;
            writeln!(out, "| `{code}` | {about} | {decided} | {example} |")?;
        } else {
            writeln!(
                out,
                "{:<22} {}\n{:22} {}",
                rule.code, rule.about, "", rule.example
            )?;
        }
    }
    Ok(())
}

/// Writes how one finding is decided.
pub(super) fn explain(code: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(rule) = RULES.iter().find(|rule| rule.code == code) else {
        anyhow::bail!("there is no finding '{code}': bothends findings lists them");
    };
    writeln!(
        out,
        "{}: {}\n\n{}\n\nFor example: {}",
        rule.code, rule.about, rule.decided, rule.example
    )?;
    Ok(())
}

/// Writes the protocols and the ports where they are at home.
pub(super) fn protocols(out: &mut dyn Write) -> io::Result<()> {
    let list = |ports: &[u16]| {
        let texts: Vec<String> = ports.iter().map(u16::to_string).collect();
        texts.join(", ")
    };
    for entry in PROTOCOLS {
        if entry.ports.is_empty() && entry.tls_ports.is_empty() {
            let names = entry.alpn.join(", ");
            writeln!(out, "{:<8} as {names}, on the same ports", entry.proto)?;
            continue;
        }
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
