//! Where a run stands, beside what its log says.

use serde::Serialize;

use super::{Findings, Rule};
use crate::store::Head;
use crate::view::{RunStatus, RunView};

/// Holds the head of a run against the fold of its log.
pub(super) fn compare(head: &Head, view: &RunView, findings: &mut Findings) {
    let standing = &head.standing;
    let (stands, is) = (standing.status, view.status());
    let agree = match stands {
        // It may be about to rest: that is written before it is given up.
        RunStatus::Running => matches!(is, RunStatus::Running | RunStatus::Waiting),
        _ => stands == is,
    };
    if !agree {
        return differ(findings, "status", stands.as_str(), is.as_str());
    }
    let record = view.record();
    check(findings, "pipeline", &head.pipeline, &record.pipeline);
    check(findings, "plan", &head.plan_hash, &record.plan_hash);
    check(findings, "key", &head.key, &record.key);
    // While a run is being worked on its head says when it went on, and no more.
    let rests = stands.is_terminal() || (stands == RunStatus::Waiting && head.owner.is_none());
    if !rests {
        return;
    }
    check(findings, "steps", &standing.step_counts, &record.step_counts);
    check(
        findings,
        "failed steps",
        &standing.failed_steps,
        &record.failed_steps,
    );
    check(findings, "usage", &standing.usage, &record.usage);
    check(findings, "cost", &standing.cost, &record.cost);
    if !stands.is_terminal() {
        return;
    }
    check(findings, "fallback", &standing.fallback, &record.fallback);
    let error = record.error.as_ref().map(|error| (error.kind, &error.message));
    check(findings, "error", &standing.error, &error);
    if standing.ended.is_none() {
        findings.push(Rule::Standing, None, "it is over, and nothing says since when");
    }
}

fn check(findings: &mut Findings, what: &str, head: &impl Serialize, log: &impl Serialize) {
    let [head, log] = [text(head), text(log)];
    if head != log {
        differ(findings, what, &head, &log);
    }
}

fn differ(findings: &mut Findings, what: &str, head: &str, log: &str) {
    let message = format!("its {what}: {head} where the run stands, {log} by its log");
    findings.push(Rule::Standing, None, message);
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
