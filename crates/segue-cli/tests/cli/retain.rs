//! `store.retain`: what a run leaves of the runs before it.

use crate::kept::Kept;

fn project(retain: &str) -> Kept {
    let kept = Kept::new();
    kept.write("segue.toml", format!("version = 1\n[store]\n{retain}\n"));
    kept
}

#[test]
fn runs_that_are_old_and_not_among_the_newest_go_when_the_next_one_ends() {
    let kept = project("retain = { runs = \"1ms\", keep_last = 2 }");
    let (a, b) = (kept.ends("well"), kept.ends("failed"));
    assert_eq!(
        kept.listed(&[]),
        [b.clone(), a],
        "the newest stay, however old they are"
    );
    let said = kept.segue(&["run", "many_ends.yaml"]).exits(0);
    assert!(
        said.stderr
            .contains("removed 1 run that `store.retain` does not keep"),
        "{}",
        said.stderr
    );
    let left = kept.listed(&[]);
    assert_eq!((left.len(), &left[1]), (2, &b));
}

#[test]
fn runs_that_are_young_stay_and_without_a_setting_all_do() {
    for retain in [
        "retain = { runs = \"90d\", keep_last = 1 }",
        "retain = { runs = \"90d\" }",
        "",
    ] {
        let kept = project(retain);
        for _ in 0..3 {
            kept.ends("well");
        }
        assert_eq!(kept.listed(&[]).len(), 3, "{retain}");
    }
}

#[test]
fn a_number_alone_keeps_so_many() {
    let kept = project("retain = { keep_last = 1 }");
    kept.ends("well");
    let newest = kept.ends("failed");
    assert_eq!(kept.listed(&[]), [newest]);
}

#[test]
fn what_waits_is_never_removed_and_reading_removes_nothing() {
    let kept = project("");
    let waits = kept.ends("ask");
    kept.ends("well");
    kept.write("segue.toml", "version = 1\n[store]\nretain = { keep_last = 0 }\n");
    for arguments in [
        &["runs", "list"][..],
        &["runs", "show", "last"],
        &["artifacts", "ls"],
    ] {
        kept.segue(arguments).exits(0);
    }
    assert_eq!(kept.listed(&[]).len(), 2);
    kept.ends("failed");
    assert_eq!(kept.listed(&[]), [waits]);
}

#[test]
fn bytes_of_what_goes_are_swept_and_a_linked_artifact_stays() {
    let kept = project("retain = { keep_last = 1 }");
    kept.write("long.txt", "long ".repeat(20_000));
    kept.ran(&["report.yaml", "--input", "text=@long.txt"]);
    kept.age_blobs();
    let before = kept.blobs().len();
    kept.ends("well");
    assert_eq!(
        kept.blobs().len(),
        before - 1,
        "the output went, the artifact of the link did not"
    );
    let artifact = kept.segue(&["artifacts", "cat", "report@latest"]).exits(0);
    assert_eq!(artifact.stdout.len(), 100_000);
}

#[test]
fn a_wrong_setting_is_named_with_its_place() {
    for (retain, part) in [
        ("retain = { runs = \"soon\" }", "segue.toml:3"),
        ("retain = { keep_lats = 3 }", "did you mean `keep_last`"),
        ("retain = { keep_last = -1 }", "segue.toml:3"),
    ] {
        let said = project(retain).segue(&["run", "many_ends.yaml"]).exits(2);
        assert!(said.stderr.contains(part), "{retain}\n{}", said.stderr);
    }
}
