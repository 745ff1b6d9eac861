//! `runs list`: what is listed, in which order, and how it looks.

use crate::kept::Kept;
use crate::program::said;
use crate::shapes::{fits, schema};

#[test]
fn a_project_without_runs_says_so_and_no_store_is_made() {
    let kept = Kept::new();
    for verb in [&["runs", "list"][..], &["artifacts", "ls"]] {
        let said = kept.segue(verb).exits(0);
        assert_eq!(said.stdout, "");
        assert!(said.stderr.starts_with("there are no "), "{}", said.stderr);
    }
    let said = kept.segue(&["runs", "show", "last"]).exits(2);
    assert_eq!(said.stderr, "error: there are no runs here yet\n");
    let empty = kept.segue(&["runs", "list", "--json"]).exits(0).json();
    fits(&schema("runs"), &empty);
    assert!(!kept.path(".segue").exists(), "reading makes nothing");
}

#[test]
fn runs_are_in_a_table_the_newest_first() {
    let kept = Kept::new();
    let first = kept.ends("well");
    let second = kept.ends("failed");
    let table = kept.segue(&["runs", "ls"]).exits(0).stdout;
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        [
            "run", "pipeline", "status", "started", "time", "steps", "tokens", "cost", "trigger"
        ]
    );
    assert_eq!(
        lines[1][..4],
        [second.as_str(), "many_ends", "✗", "failed"],
        "{table}"
    );
    assert_eq!(
        lines[2][..4],
        [first.as_str(), "many_ends", "✓", "succeeded"],
        "{table}"
    );
    assert!(lines[2].ends_with(&["9/9", "22", "$0.00", "cli"]), "{table}");
    let starts = |line: &str| line.find("many_ends");
    let mut rows = table.lines().skip(1);
    assert_eq!(rows.next().map(starts), rows.next().map(starts), "{table}");
}

#[test]
fn filters_all_hold() {
    let kept = Kept::new();
    let well = kept.ran(&["many_ends.yaml", "--label", "team=x"]);
    let failed = kept.ran(&[
        "many_ends.yaml",
        "--end",
        "failed",
        "--label",
        "team=x",
        "--label",
        "urgent=yes",
    ]);
    let waits = kept.ends("ask");
    let report = kept.ran(&["report.yaml", "--text", "About Refunds and tea"]);
    for (flags, expected) in [
        (&[][..], vec![&report, &waits, &failed, &well]),
        (&["--status", "failed"], vec![&failed]),
        (&["--status", "failed,waiting"], vec![&waits, &failed]),
        (&["--status", "cancelled"], vec![]),
        (&["--pipeline", "many_ends"], vec![&waits, &failed, &well]),
        (&["--pipeline", "many"], vec![]),
        (&["--label", "team=x"], vec![&failed, &well]),
        (&["--label", "team=x", "--label", "urgent=yes"], vec![&failed]),
        (&["--label", "team=y"], vec![]),
        (&["--key", "exp-7"], vec![]),
        (&["--since", "1h"], vec![&report, &waits, &failed, &well]),
        (&["--since", "2999-01-01"], vec![]),
        (&["--query", "status:failed label:team=x"], vec![&failed]),
        (&["--query", "text:refunds"], vec![&report]),
        (&["-Q", "text:\"refunds and tea\" pipeline:report"], vec![&report]),
        (&["--query", "cost>0"], vec![]),
        (
            &["--query", "cost<=0", "--status", "succeeded"],
            vec![&report, &well],
        ),
        (&["--query", "until:2020-01-01"], vec![]),
    ] {
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(kept.listed(flags), expected, "{flags:?}");
    }
    let none = kept.segue(&["runs", "list", "--status", "cancelled"]).exits(0);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "no run is like that\n")
    );
}

#[test]
fn pages_lead_to_each_other_and_leave_nothing_out() {
    let kept = Kept::new();
    let mut all: Vec<String> = (0..5).map(|_| kept.ends("well")).collect();
    all.reverse();
    for sort in ["started", "cost", "duration"] {
        let mut found = Vec::new();
        let mut more = vec!["--sort".to_owned(), sort.to_owned(), "--limit=2".to_owned()];
        loop {
            let mut flags = vec!["runs", "list", "--json"];
            flags.extend(more.iter().map(String::as_str));
            let page = kept.segue(&flags).exits(0).json();
            found.extend(crate::kept::ids(&page["items"]));
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            more.truncate(3);
            more.extend(["--cursor".to_owned(), next.to_owned()]);
        }
        if sort == "started" {
            assert_eq!(found, all);
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 5, "{sort}");
    }
    // The hint is a command line that works.
    let said = kept
        .segue(&["runs", "list", "--limit", "3", "--label", "a=b c"])
        .exits(0);
    assert!(
        !said.stderr.contains("hint:"),
        "nothing is like that: {}",
        said.stderr
    );
    let said = kept
        .segue(&["runs", "list", "--limit", "3", "--status", "succeeded"])
        .exits(0);
    let line = said.stderr.split('`').nth(1).expect("there is a hint").to_owned();
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    let rest = kept.segue(&words).exits(0);
    assert_eq!(rest.stdout.lines().count(), 3, "{line}\n{}", rest.stdout);
    assert!(rest.stdout.contains(&all[4]), "{line}\n{}", rest.stdout);
}

#[test]
fn every_run_in_a_list_has_its_shape() {
    let kept = Kept::new();
    for end in ["well", "failed", "ask", "budget", "flaky"] {
        kept.ends(end);
    }
    kept.segue(&["rerun", "last", "--yes"]).exits(0);
    let page = kept
        .segue(&["runs", "list", "--json", "--limit", "500"])
        .exits(0)
        .json();
    fits(&schema("runs"), &page);
    let newest = &page["items"][0];
    assert_eq!(newest["parent"]["relation"], "rerun");
    for dropped in ["steps", "inputs", "output"] {
        assert!(newest.get(dropped).is_none(), "{newest:#}");
    }
    let failed = &page["items"][4];
    assert_eq!(failed["error"]["kind"], "bad_request", "{failed:#}");
    assert_eq!(failed["failed_steps"][0], "failed");
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_way_out() {
    let kept = Kept::new();
    kept.ends("well");
    for (flags, parts) in [
        (&["--status", "faild"][..], &["failed"][..]),
        (
            &["--since", "yesterday"],
            &["neither a duration nor a time", "write `24h`"],
        ),
        (&["--label", "alone"], &["alone"]),
        (&["--limit", "501"], &["501"]),
        (&["--cursor", "?"], &["--cursor", "hint:"]),
        (
            &["--query", "staus:failed cost>a"],
            &[
                "--query:1:1",
                "did you mean `status`?",
                "--query:1:19",
                "the query has faults",
            ],
        ),
        (&["--query", "text:\"open"], &["the quote is never closed"]),
    ] {
        let said = kept.segue(&[&["runs", "list"], flags].concat()).exits(2);
        for part in parts {
            assert!(said.stderr.contains(part), "{flags:?}: {part}\n{}", said.stderr);
        }
        assert_eq!(said.stdout, "");
    }
}

#[test]
fn a_closed_stdout_ends_quietly() {
    let kept = Kept::new();
    kept.write("long.txt", "long ".repeat(20_000));
    kept.ran(&["report.yaml", "--input", "text=@long.txt"]);
    for arguments in [
        &["runs", "list"][..],
        &["runs", "show", "last"],
        &["runs", "logs", "last"],
        &["runs", "logs", "last", "--follow", "--output", "ndjson"],
        &["runs", "diff", "last", "last"],
        &["runs", "export", "last"],
        &["artifacts", "cat", "last/report.md"],
    ] {
        let mut child = kept.command(arguments).spawn().expect("the binary runs");
        drop(child.stdout.take());
        let said = said(child.wait_with_output().expect("the binary ends"));
        assert_eq!((said.exit, said.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
