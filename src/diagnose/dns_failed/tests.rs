use super::super::testing::{Scene, capture, lookup, wire};
use super::*;

fn asked(second: i64, name: &str, outcome: LookupOutcome) -> WireSession {
    let mut wire = wire(53, second, "SF", "Dd");
    wire.lookups.push(lookup(second, name, outcome));
    wire
}

#[test]
fn a_name_found_with_its_search_domain_did_not_fail() {
    let mut scene = Scene::default();
    scene.add(asked(0, "mail", LookupOutcome::NoSuchName));
    scene.add(asked(1, "mail.example.com", LookupOutcome::Found));
    assert!(scene.find(find).is_empty());
}

#[test]
fn a_name_and_the_same_with_a_search_domain_are_one_finding() {
    let mut scene = Scene::default();
    for name in [
        "gone.example.com",
        "gone.example.com.example.com",
        "gone.example.com.lan",
    ] {
        scene.add(asked(0, name, LookupOutcome::NoSuchName));
    }
    let found = scene.find(find);
    assert_eq!((found.len(), found[0].count), (1, 3), "{found:?}");
}

#[test]
fn silence_counts_where_the_client_asked_again_or_the_server_answers_others() {
    let alone = || asked(0, "mail.example.com", LookupOutcome::Unanswered);
    let mut scene = Scene::default();
    scene.captures.push(capture(0, 60));
    scene.add(alone());
    assert!(scene.find(find).is_empty());
    scene.add(asked(4, "mail.example.com", LookupOutcome::Unanswered));
    assert_eq!(scene.find(find).len(), 1);
    let mut scene = Scene::default();
    scene.captures.push(capture(0, 60));
    scene.add(alone());
    scene.add(asked(4, "www.example.com", LookupOutcome::Found));
    assert_eq!(scene.find(find).len(), 1);
}

#[test]
fn a_question_to_all_needs_no_answer_and_a_probe_is_information() {
    let mut scene = Scene::default();
    scene.captures.push(capture(0, 60));
    for second in [0, 4] {
        let mut all = asked(second, "gomez.local", LookupOutcome::Unanswered);
        all.conversation.server.ip = [224, 0, 0, 251].into();
        scene.add(all);
    }
    assert!(scene.find(find).is_empty());
    scene.add(asked(9, "wpad", LookupOutcome::NoSuchName));
    assert_eq!(scene.find(find)[0].severity, Severity::Info);
}

#[test]
fn what_is_asked_again_elsewhere_or_was_not_captured_did_not_fail() {
    let mut scene = Scene::default();
    for outcome in [
        LookupOutcome::Truncated,
        LookupOutcome::Referred,
        LookupOutcome::Unknown,
    ] {
        scene.add(asked(0, "mail.example.com", outcome));
    }
    assert!(scene.find(find).is_empty());
    scene.add(asked(1, "mail.example.com", LookupOutcome::Refused));
    assert_eq!(scene.find(find).len(), 1);
}

#[test]
fn many_names_of_a_zone_are_one_finding() {
    for (names, expected) in [(4, 4), (30, 1)] {
        let mut scene = Scene::default();
        for n in 0..names {
            let name = format!("x{n}.tunnel.example.com");
            scene.add(asked(n, &name, LookupOutcome::NoSuchName));
        }
        scene.add(asked(0, "example.org", LookupOutcome::NoSuchName));
        let found = scene.find(find);
        assert_eq!(found.len(), 1 + expected);
        if expected == 1 {
            assert!(
                found[0]
                    .message
                    .contains("cannot look up 30 names under example.com: x0.tunnel.example.com, x1.tunnel.example.com,"),
                "{}",
                found[0].message
            );
        }
    }
}

#[test]
fn an_answer_that_could_not_be_read_and_a_question_to_all_hosts_are_no_silence() {
    let scene = |server: [u8; 4], packets| {
        let mut scene = Scene::default();
        scene.captures.push(capture(0, 60));
        for second in [0, 4] {
            let mut asked = asked(second, "mail.example.com", LookupOutcome::Unanswered);
            asked.conversation.server.ip = server.into();
            asked.conversation.transport = Transport::Udp;
            asked.counts.of_mut(Side::Server).packets = packets;
            scene.add(asked);
        }
        scene.find(find).len()
    };
    assert_eq!(scene([198, 51, 100, 53], 0), 1);
    assert_eq!(scene([198, 51, 100, 53], 1), 0);
    assert_eq!(scene([255; 4], 0), 0);
}
