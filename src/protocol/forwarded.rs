//! Whom a proxy speaks for, in the words of the protocol inside: XCLIENT, IMAP's ID, fields of HTTP.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Dialogue;
use super::record::remark;
use crate::model::{Endpoint, Exchange, Forwarded, ForwardedBy};

/// Most clients kept of one connection.
const MAX_CLIENTS: usize = 1000;
/// Most addresses kept of one request: the client and the proxies on the way.
const MAX_HOPS: usize = 8;

/// Gathers whom the requests of a whole dialogue speak for.
pub(super) fn gather(dialogue: &mut Dialogue) {
    let mut found: Vec<Forwarded> = dialogue.forwarded.clone();
    let mut known: BTreeSet<IpAddr> = found.iter().map(|by| by.client).collect();
    for exchange in &dialogue.exchanges {
        let clients = exchange.forwarded.iter().map(|&client| Forwarded {
            client,
            port: None,
            reached: None,
            by: ForwardedBy::HttpField,
        });
        for client in clients.chain(command(exchange)) {
            if known.insert(client.client) {
                found.push(client);
            }
        }
    }
    if found.len() > MAX_CLIENTS {
        let note = format!(
            "it speaks for {} clients, of which {MAX_CLIENTS} are kept",
            found.len()
        );
        remark(&mut dialogue.notes, note);
        found.truncate(MAX_CLIENTS);
    }
    dialogue.forwarded = found;
}

/// Adds the addresses that the header field `name` of a request names to `clients`, each once.
pub(super) fn http_field(name: &[u8], value: &[u8], clients: &mut Vec<IpAddr>) {
    let lists = [&b"X-Forwarded-For"[..], b"X-Real-IP"];
    let plain = lists.iter().any(|list| name.eq_ignore_ascii_case(list));
    if !plain && !name.eq_ignore_ascii_case(b"Forwarded") {
        return;
    }
    let Ok(value) = std::str::from_utf8(value) else {
        return;
    };
    let named = value.split(',').filter_map(|hop| {
        if plain {
            return node(hop);
        }
        let mut pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
        let (_, of) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case("for"))?;
        node(of)
    });
    for client in named {
        if clients.len() < MAX_HOPS && !clients.contains(&client) {
            clients.push(client);
        }
    }
}

/// A node of RFC 7239 §6, as others write it too: `192.0.2.1`, `192.0.2.1:5678`, `"[2001:db8::1]:5678"`.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.trim().trim_matches('"');
    if let Some(rest) = bare.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    let without_port = || bare.rsplit_once(':')?.0.parse().ok();
    bare.parse().ok().or_else(without_port)
}

/// The client that an accepted command of mail's protocols names.
fn command(exchange: &Exchange) -> Option<Forwarded> {
    let refused =
        |code: &String| code.starts_with(['4', '5', '-']) || ["NO", "BAD"].contains(&code.as_str());
    if exchange.code.as_ref().is_some_and(refused) {
        return None;
    }
    match exchange.verb.as_str() {
        "XCLIENT" => xclient(&exchange.request),
        "ID" => imap_id(&exchange.request),
        _ => None,
    }
}

/// `XCLIENT ADDR=192.0.2.1 PORT=5678 DESTADDR=…`: Postfix's `XCLIENT_README`, and Dovecot's in POP3.
fn xclient(request: &str) -> Option<Forwarded> {
    let told = |key: &str| {
        request.split_ascii_whitespace().find_map(|word| {
            let (name, value) = word.split_once('=')?;
            name.eq_ignore_ascii_case(key).then_some(value)
        })
    };
    named(
        ForwardedBy::Xclient,
        [told("ADDR"), told("PORT")],
        [told("DESTADDR"), told("DESTPORT")],
    )
}

/// `tag ID ("x-originating-ip" "192.0.2.1" "x-originating-port" "5678" …)`: RFC 2971 with Dovecot's fields.
fn imap_id(request: &str) -> Option<Forwarded> {
    let words: Vec<&str> = request.split('"').skip(1).step_by(2).collect();
    let told = |key: &str| {
        let mut pairs = words.chunks_exact(2);
        pairs.find_map(|pair| match pair {
            [name, value] if name.eq_ignore_ascii_case(key) => Some(*value),
            _ => None,
        })
    };
    named(
        ForwardedBy::ImapId,
        [told("x-originating-ip"), told("x-originating-port")],
        [told("x-connected-ip"), told("x-connected-port")],
    )
}

fn named(
    by: ForwardedBy,
    client: [Option<&str>; 2],
    reached: [Option<&str>; 2],
) -> Option<Forwarded> {
    let [ip, port] = client;
    Some(Forwarded {
        client: address(ip?)?,
        port: port.and_then(|port| port.parse().ok()),
        reached: match reached {
            [Some(ip), Some(port)] => address(ip)
                .zip(port.parse().ok())
                .map(|(ip, port)| Endpoint { ip, port }),
            _ => None,
        },
        by,
    })
}

/// An address; Postfix puts a word before one of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let six = text
        .get(..5)
        .is_some_and(|head| head.eq_ignore_ascii_case("IPV6:"));
    text.get(if six { 5 } else { 0 }..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Seen, Verb};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn said(verb: &str, request: &str, code: &str) -> Exchange {
        let mut exchange = Exchange::new(Verb::new(verb), request.into(), Seen::Wire);
        exchange.code = Some(code.into());
        exchange
    }

    #[test]
    fn commands_name_the_client_where_they_are_accepted() {
        let smtp =
            "XCLIENT NAME=a.example ADDR=192.0.2.1 PORT=5678 DESTADDR=198.51.100.2 DESTPORT=25";
        let client = command(&said("XCLIENT", smtp, "220")).unwrap();
        assert_eq!((client.client, client.port), (ip("192.0.2.1"), Some(5678)));
        assert_eq!(client.reached.unwrap().ip, ip("198.51.100.2"));
        assert_eq!(command(&said("XCLIENT", smtp, "550")), None);
        assert_eq!(
            command(&said("XCLIENT", "XCLIENT ADDR=[UNAVAILABLE]", "220")),
            None
        );
        let six = command(&said("XCLIENT", "XCLIENT ADDR=IPV6:2001:db8::1", "+OK")).unwrap();
        assert_eq!(
            (six.client, six.port, six.reached),
            (ip("2001:db8::1"), None, None)
        );
        let id = r#"a1 ID ("x-session-id" "x" "x-originating-ip" "192.0.2.9" "x-originating-port" "77")"#;
        assert_eq!(
            command(&said("ID", id, "OK")).unwrap().client,
            ip("192.0.2.9")
        );
        assert_eq!(command(&said("ID", id, "NO")), None);
        assert_eq!(command(&said("ID", "a1 ID NIL", "OK")), None);
    }

    #[test]
    fn fields_name_the_client_and_the_proxies_on_the_way() {
        let read = |name: &str, value: &str| {
            let mut clients = Vec::new();
            http_field(name.as_bytes(), value.as_bytes(), &mut clients);
            clients
        };
        assert_eq!(
            read(
                "x-forwarded-for",
                "192.0.2.1, 198.51.100.9:80,unknown , 192.0.2.1"
            ),
            [ip("192.0.2.1"), ip("198.51.100.9")]
        );
        assert_eq!(
            read(
                "Forwarded",
                "For=\"[2001:db8:cafe::17]:4711\";proto=http, for=_hidden, by=1.1.1.1;for=192.0.2.60"
            ),
            [ip("2001:db8:cafe::17"), ip("192.0.2.60")]
        );
        assert_eq!(read("X-Real-IP", " 2001:db8::5 "), [ip("2001:db8::5")]);
        assert!(read("X-Forwarded-Host", "192.0.2.1").is_empty());
        assert_eq!(read("X-Forwarded-For", &"192.0.2.1,".repeat(99)).len(), 1);
        let many: Vec<String> = (0..99).map(|n| format!("192.0.2.{n}")).collect();
        assert_eq!(read("X-Forwarded-For", &many.join(",")).len(), MAX_HOPS);
    }

    #[test]
    fn a_dialogue_keeps_each_client_once_and_only_so_many() {
        let mut dialogue = Dialogue::default();
        for n in 0..3000_u32 {
            let mut exchange = said("GET", "GET / HTTP/1.1", "200");
            exchange.forwarded = vec![IpAddr::from((n / 2).to_be_bytes())];
            dialogue.exchanges.push(exchange);
        }
        gather(&mut dialogue);
        assert_eq!(dialogue.forwarded.len(), MAX_CLIENTS);
        assert_eq!(
            dialogue.notes,
            ["it speaks for 1500 clients, of which 1000 are kept"]
        );
    }
}
