//! The list of rules: one row each.

use crate::model::{Finding, Threads};

use super::chain::fold;
use super::rollup::sort;
use super::{
    View, Whole, backlog_full, bare_lf, capture_incomplete, client_retry_loop, command_rejected,
    connection_dropped, connection_refused, connection_rejected, connection_reset, delayed_ack,
    delivered_unknown, dns_failed, dns_search_list, dns_wrong_address, dropped_in_transfer,
    helo_no_name, host_dead, log_incomplete, login_refused, mailbox_refetched, message_too_large,
    mtu_black_hole, mx_without_address, not_captured, one_witness, polling_too_often,
    reset_in_middle, retransmission_storm, server_error, sessions_held, slow_client, slow_greeting,
    slow_login, slow_network, slow_server, talk_before_greeting, timeout_idle, tls_failed,
    tls_outdated, views_differ,
};

/// A row of the registry.
pub struct Rule {
    /// Stable name of what it finds.
    pub code: &'static str,
    /// What that is, in a few words.
    pub about: &'static str,
    /// How it is decided, for a person who doubts it.
    pub decided: &'static str,
    /// A finding of its kind, in its words.
    pub example: &'static str,
    /// Finds it.
    pub find: fn(View<'_>) -> Vec<Finding>,
}

/// All rules, in alphabetical order.
pub static RULES: &[Rule] = &[
    backlog_full::RULE,
    bare_lf::RULE,
    capture_incomplete::RULE,
    client_retry_loop::RULE,
    command_rejected::RULE,
    connection_dropped::RULE,
    connection_refused::RULE,
    connection_rejected::RULE,
    connection_reset::RULE,
    delayed_ack::RULE,
    delivered_unknown::RULE,
    dns_failed::RULE,
    dns_search_list::RULE,
    dns_wrong_address::RULE,
    dropped_in_transfer::RULE,
    helo_no_name::RULE,
    host_dead::RULE,
    log_incomplete::RULE,
    login_refused::RULE,
    mailbox_refetched::RULE,
    message_too_large::RULE,
    mtu_black_hole::RULE,
    mx_without_address::RULE,
    not_captured::RULE,
    one_witness::RULE,
    polling_too_often::RULE,
    reset_in_middle::RULE,
    retransmission_storm::RULE,
    server_error::RULE,
    sessions_held::RULE,
    slow_client::RULE,
    slow_greeting::RULE,
    slow_login::RULE,
    slow_network::RULE,
    slow_server::RULE,
    talk_before_greeting::RULE,
    timeout_idle::RULE,
    tls_failed::RULE,
    tls_outdated::RULE,
    views_differ::RULE,
];

/// Rules that go by what is in none of a run's sessions, or by all of them: a part of a run does not tell.
const OF_A_WHOLE_RUN: &[&str] = &[
    capture_incomplete::RULE.code,
    host_dead::RULE.code,
    log_incomplete::RULE.code,
    not_captured::RULE.code,
    one_witness::RULE.code,
];

/// Everything that the rules find and no cause among it tells already, worst first, then most frequent, then first.
///
/// Rules know nothing of each other, so that threads share them.
pub fn diagnose(view: View<'_>, threads: Threads) -> Vec<Finding> {
    by_rules(view, threads, |_| true)
}

/// The same in a part of a run that goes on, by the rules that need no more.
pub fn diagnose_part(view: View<'_>, threads: Threads) -> Vec<Finding> {
    by_rules(view, threads, |code| !OF_A_WHOLE_RUN.contains(&code))
}

/// What is to be said at the end of such a run: what the captures themselves lack, and what was gathered of the `whole`.
pub fn diagnose_end(view: View<'_>, whole: Whole) -> Vec<Finding> {
    let mut findings = (capture_incomplete::RULE.find)(view);
    findings.extend(whole.findings(view));
    sort(&mut findings);
    findings
}

fn by_rules(
    view: View<'_>,
    threads: Threads,
    is_asked: impl Fn(&str) -> bool + Sync,
) -> Vec<Finding> {
    let found = threads.each(RULES.len(), |at| {
        RULES
            .get(at)
            .filter(|rule| is_asked(rule.code))
            .map(|rule| (rule.find)(view))
            .unwrap_or_default()
    });
    let found = found.into_iter().flatten().collect();
    let mut findings = fold(found);
    sort(&mut findings);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_listed_by_name_and_told_in_full() {
        assert!(RULES.is_sorted_by_key(|rule| rule.code));
        for rule in RULES {
            assert!(
                rule.decided.len() > 40 && rule.example.len() > 20,
                "{}",
                rule.code
            );
        }
    }
}
