//! Made conversations for the tests of decoders, and what must hold for every protocol.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Dialogue, Driver};
use crate::flow::StreamEvent;
use crate::model::{Exchange, Nanos, PacketNo, Proto, Side};

/// The client says.
pub(super) const C: Side = Side::Client;
/// The server says.
pub(super) const S: Side = Side::Server;

/// What is said, in order.
pub(super) type Script<'a> = &'a [(Side, &'a str)];

/// A part of a script: who, what, and whether it was captured.
pub(super) type Part = (Side, Vec<u8>, bool);

/// Reads `script`, one segment for each of its items.
pub(super) fn run(port: u16, script: Script<'_>) -> (Proto, Dialogue) {
    feed(port, &whole(script))
}

/// Reads `script` without its item `lost`, which leaves a hole.
pub(super) fn without(port: u16, script: Script<'_>, lost: usize) -> (Proto, Dialogue) {
    let mut parts = whole(script);
    parts[lost].2 = false;
    feed(port, &parts)
}

/// `script` as if its item `lost` had never been said.
pub(super) fn unsaid(script: Script<'_>, lost: usize) -> Vec<(Side, &str)> {
    let mut rest = script.to_vec();
    rest.remove(lost);
    rest
}

/// Request and response of each exchange.
pub(super) fn pairs(dialogue: &Dialogue) -> Vec<(String, String)> {
    dialogue
        .exchanges
        .iter()
        .map(|exchange| {
            (
                exchange.request.clone(),
                exchange.response.clone().unwrap_or_default(),
            )
        })
        .collect()
}

/// What the exchanges of `script` are in any segmentation must be what they are in one.
pub(super) fn segmentation_does_not_matter(port: u16, script: Script<'_>) {
    segmentation_does_not_matter_for(port, &whole(script));
}

/// The same of parts that need not be text.
pub(super) fn segmentation_does_not_matter_for(port: u16, script: &[Part]) {
    let expected = bare(feed(port, script).1.exchanges);
    let cuts = proptest::collection::vec((0..script.len(), 0usize..200), 0..30);
    check(cuts, |cuts| {
        let parts = cut(script, &cuts);
        prop_assert_eq!(&bare(feed(port, &parts).1.exchanges), &expected);
        Ok(())
    });
    let bytes: Vec<Part> = script
        .iter()
        .flat_map(|(side, bytes, _)| bytes.iter().map(|&byte| (*side, vec![byte], true)))
        .collect();
    assert_eq!(
        bare(feed(port, &bytes).1.exchanges),
        expected,
        "byte by byte"
    );
}

/// Whether a request and its reply are among those `known`, the request as far as it was captured.
fn is_known((request, response): &(String, String), known: &[(String, String)]) -> bool {
    let mut known = known.iter();
    known.any(|(asked, answered)| {
        let cut = request.strip_suffix('…');
        let same = asked == request || cut.is_some_and(|cut| asked.starts_with(cut));
        same && answered == response
    })
}

/// Without any one segment of `script`, in which each side waits for the other, nothing panics, no request gets
/// another's reply, and the last `tail` exchanges are found if they were captured.
pub(super) fn a_hole_costs_little(port: u16, script: Script<'_>, tail: usize) {
    let all = run(port, script).1;
    let known = pairs(&all);
    for lost in 0..script.len() {
        let dialogue = without(port, script, lost).1;
        let found = pairs(&dialogue);
        for pair in &found {
            let (request, response) = pair;
            let answered = !request.is_empty() && !response.is_empty();
            assert!(
                !answered || is_known(pair, &known) || request.starts_with("<body"),
                "without {:?}: {pair:?}",
                script[lost]
            );
        }
        if lost + 2 * tail < script.len() {
            let tail = &known[known.len() - tail..];
            assert!(
                found.ends_with(tail),
                "without {:?}: {found:#?}\n{:#?}",
                script[lost],
                dialogue.notes
            );
        }
    }
    let cuts = proptest::collection::vec((0..script.len(), 0usize..200), 0..10);
    check((cuts, any::<prop::sample::Index>()), |(cuts, lost)| {
        let mut parts = cut(&whole(script), &cuts);
        let lost = lost.index(parts.len());
        parts[lost].2 = false;
        feed(port, &parts);
        Ok(())
    });
}

/// No bytes from either side, with holes, make a decoder panic.
pub(super) fn rubbish_is_survived(port: u16, words: &'static [&'static str]) {
    let saying = (
        any::<bool>(),
        prop_oneof![
            4 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..20),
        ],
        proptest::bool::weighted(0.95),
    );
    check(proptest::collection::vec(saying, 0..60), |said| {
        let parts: Vec<Part> = said
            .into_iter()
            .map(|(client, bytes, captured)| (if client { C } else { S }, bytes, captured))
            .collect();
        feed(port, &parts);
        Ok(())
    });
}

fn check<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
    test: impl Fn(T) -> Result<(), TestCaseError>,
) {
    let config = Config {
        cases: 512,
        failure_persistence: None,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, test) {
        panic!("{error}");
    }
}

pub(super) fn whole(script: Script<'_>) -> Vec<Part> {
    script
        .iter()
        .map(|&(side, text)| (side, text.as_bytes().to_vec(), true))
        .collect()
}

/// The script with its items cut at the given places.
fn cut(script: &[Part], cuts: &[(usize, usize)]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (n, (side, bytes, captured)) in script.iter().enumerate() {
        let mut places: Vec<usize> = cuts
            .iter()
            .filter(|&&(item, _)| item == n)
            .map(|&(_, place)| place % bytes.len())
            .collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        places.dedup();
        for pair in places.windows(2) {
            parts.push((*side, bytes[pair[0]..pair[1]].to_vec(), *captured));
        }
    }
    parts
}

/// Reads `parts`, one segment for each.
pub(super) fn feed(port: u16, parts: &[Part]) -> (Proto, Dialogue) {
    feed_to(Driver::new(port), parts)
}

/// The same, with bodies passed on: they are in the dialogue.
pub(super) fn feed_with_bodies(port: u16, parts: &[Part]) -> Dialogue {
    feed_to(Driver::new(port).with_bodies(), parts).1
}

fn feed_to(mut driver: Driver, parts: &[Part]) -> (Proto, Dialogue) {
    for (n, (side, bytes, captured)) in (1u64..).zip(parts) {
        let at = Nanos(i64::try_from(n).unwrap());
        driver.event(if *captured {
            StreamEvent::Data {
                side: *side,
                at,
                packet: PacketNo(n),
                bytes,
            }
        } else {
            StreamEvent::Gap {
                side: *side,
                at,
                missing: bytes.len() as u64,
            }
        });
    }
    driver.finish()
}

/// Without times and packets, which differ between segmentations.
fn bare(exchanges: Vec<Exchange>) -> Vec<Exchange> {
    exchanges
        .into_iter()
        .map(|exchange| Exchange {
            start: None,
            end: None,
            answered: None,
            asked: None,
            packets: [None, None],
            ..exchange
        })
        .collect()
}
