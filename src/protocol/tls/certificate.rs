//! The server's certificate as a person asks for it (RFC 5280, RFC 5246 §7.4.2).

use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::model::{Certificate, Nanos};

/// A certificate message of TLS 1.2 or before.
pub(super) struct Chain {
    /// Certificates in it.
    pub(super) length: u32,
    /// The first, which is the server's own; `None` where it cannot be read.
    pub(super) leaf: Option<Certificate>,
}

impl Chain {
    /// Reads the body of the message; what is cut off at its end is not counted.
    pub(super) fn read(body: &[u8]) -> Self {
        Self::read_list(body, |rest| Some(rest))
    }

    /// Reads that of TLS 1.3 (RFC 8446 §4.4.2), which has a context before the list and extensions behind each
    /// certificate.
    pub(super) fn read_1_3(body: &[u8]) -> Self {
        let list = body.split_first().and_then(|(&context, rest)| {
            let (_, list) = rest.split_at_checked(usize::from(context))?;
            Some(list)
        });
        Self::read_list(list.unwrap_or_default(), |rest| {
            let (&[high, low], rest) = rest.split_first_chunk::<2>()?;
            rest.get(usize::from(u16::from_be_bytes([high, low]))..)
        })
    }

    /// Reads a list; `behind` passes over what stands behind a certificate.
    fn read_list(body: &[u8], behind: impl Fn(&[u8]) -> Option<&[u8]>) -> Self {
        let mut rest = body.get(3..).unwrap_or_default();
        let mut length = 0;
        let mut leaf = None;
        while let Some((der, next)) = counted(rest) {
            if length == 0 {
                leaf = certificate(der);
            }
            length += 1;
            rest = behind(next).unwrap_or_default();
        }
        Self { length, leaf }
    }
}

fn certificate(der: &[u8]) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_after: Nanos::new(certificate.validity().not_after.timestamp(), 0),
    })
}

/// Data behind a length of three octets.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[a, b, c], rest) = bytes.split_first_chunk::<3>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of 2020 to 2030 for `mx.example.org`, signed by itself. Made with OpenSSL.
    const DER: &[u8] = include_bytes!("testdata/mx.example.org.der");

    fn message(ders: &[&[u8]]) -> Vec<u8> {
        let length = |n: usize| u32::try_from(n).unwrap().to_be_bytes()[1..].to_vec();
        let mut list = Vec::new();
        for der in ders {
            list.extend(length(der.len()));
            list.extend(*der);
        }
        [length(list.len()), list].concat()
    }

    #[test]
    fn the_first_certificate_is_the_servers() {
        let chain = Chain::read(&message(&[DER, &[1, 2, 3]]));
        assert_eq!(chain.length, 2);
        let leaf = chain.leaf.unwrap();
        assert_eq!(leaf.subject, "C=NL, O=Example, CN=mx.example.org");
        assert_eq!(leaf.issuer, leaf.subject);
        assert_eq!(
            leaf.not_after.to_rfc3339(),
            "2030-01-02T03:04:05.000000000Z"
        );
    }

    #[test]
    fn a_cut_message_counts_what_is_whole() {
        let whole = message(&[DER, DER]);
        let chain = Chain::read(&whole[..whole.len() - 1]);
        assert_eq!(chain.length, 1);
        assert!(chain.leaf.is_some());
        let chain = Chain::read(&whole[..100]);
        assert!(chain.length == 0 && chain.leaf.is_none());
    }
}
