//! Cases: artifacts are listed, links move and keep their history.

use super::Fixture;
use super::sample::{all, artifact, commit, created, last_commit, link, run};
use crate::store::{ArtifactQuery, Commit, KeptArtifact, Store};
use crate::view::RunStatus;

async fn saved(store: &dyn Store, n: u64, number: u64, artifacts: &[KeptArtifact]) {
    store
        .commit(Commit {
            artifacts: artifacts.to_vec(),
            ..commit(n, number)
        })
        .await
        .unwrap();
}

pub(super) async fn they_are_found_by_run_pipeline_and_name(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    let a = artifact(9, run(1), "a.md", "aa");
    let b = artifact(5, run(1), "b.md", "bb");
    let mut c = artifact(7, run(2), "a.md", "aa");
    c.pipeline = "other".into();
    saved(&*store, 1, 2, &[a.clone(), b.clone()]).await;
    saved(&*store, 2, 2, std::slice::from_ref(&c)).await;
    let found = async |query| store.artifacts(query).await.unwrap();
    let all = ArtifactQuery::default();
    assert_eq!(
        found(all.clone()).await,
        [a.clone(), b.clone(), c.clone()],
        "the oldest first"
    );
    assert_eq!(
        found(ArtifactQuery {
            limit: 2,
            ..all.clone()
        })
        .await,
        [a.clone(), b.clone()]
    );
    assert_eq!(
        found(ArtifactQuery {
            run: Some(run(1)),
            ..all.clone()
        })
        .await,
        [a.clone(), b.clone()]
    );
    assert_eq!(
        found(ArtifactQuery {
            pipeline: Some("other".into()),
            ..all.clone()
        })
        .await,
        [c.clone()]
    );
    assert_eq!(
        found(ArtifactQuery {
            name: Some("a.md".into()),
            ..all.clone()
        })
        .await,
        [a.clone(), c]
    );
    let exact = ArtifactQuery {
        run: Some(run(1)),
        name: Some("a.md".into()),
        ..all.clone()
    };
    assert_eq!(found(exact).await, [a]);
    assert_eq!(
        found(ArtifactQuery {
            run: Some(run(3)),
            ..all
        })
        .await,
        []
    );
}

pub(super) async fn outputs_that_are_too_large_are_kept_and_not_listed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let mut output = artifact(1, run(1), "draft", "cc");
    output.is_output = true;
    saved(&*store, 1, 2, &[output]).await;
    assert_eq!(store.artifacts(ArtifactQuery::default()).await.unwrap(), []);
    assert!(store.referenced().await.unwrap().contains("cc"));
}

pub(super) async fn saved_again_under_its_id_it_is_the_later_one(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    saved(
        &*store,
        1,
        2,
        &[
            artifact(1, run(1), "a.md", "aa"),
            artifact(2, run(1), "b.md", "bb"),
        ],
    )
    .await;
    let later = artifact(1, run(1), "a.md", "dd");
    saved(&*store, 1, 3, std::slice::from_ref(&later)).await;
    let found = store.artifacts(ArtifactQuery::default()).await.unwrap();
    assert_eq!(found, [later, artifact(2, run(1), "b.md", "bb")]);
}

pub(super) async fn the_versions_of_a_link_are_dense(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    for number in 2..=5 {
        let to = artifact(number, run(1), "a.md", "aa");
        let mut moved = vec![link("latest", &to)];
        moved[0].version = 77; // The store numbers them, whatever is said.
        store
            .commit(Commit {
                links: moved,
                artifacts: vec![to],
                ..commit(1, number)
            })
            .await
            .unwrap();
    }
    let found = store.link("research".into(), "latest".into()).await.unwrap();
    let versions: Vec<u64> = found.iter().map(|link| link.version).collect();
    assert_eq!(versions, [4, 3, 2, 1], "the newest first");
    let newest = artifact(5, run(1), "a.md", "aa");
    let expected = crate::store::LinkVersion {
        version: 4,
        ..link("latest", &newest)
    };
    assert_eq!(found[0], expected);
}

pub(super) async fn links_of_other_pipelines_and_names_are_others(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let to = artifact(1, run(1), "a.md", "aa");
    let mut other = link("latest", &to);
    other.pipeline = "other".into();
    let links = vec![
        link("latest", &to),
        link("Latest", &to),
        other,
        link("latest", &to),
    ];
    store
        .commit(Commit {
            links,
            ..commit(1, 2)
        })
        .await
        .unwrap();
    let versions = async |pipeline: &str, link: &str| {
        let found = store.link(pipeline.into(), link.into()).await.unwrap();
        found.iter().map(|link| link.version).collect::<Vec<_>>()
    };
    assert_eq!(versions("research", "latest").await, [2, 1]);
    assert_eq!(versions("research", "Latest").await, [1]);
    assert_eq!(versions("other", "latest").await, [1]);
}

pub(super) async fn moved_by_many_at_once_a_link_has_no_gap(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    created(&*store, 1..=30).await;
    let moving = (1..=30u64).map(|n| {
        let store = if n.is_multiple_of(2) {
            &store
        } else {
            &other_handle
        };
        let to = artifact(n, run(n), "a.md", "aa");
        store.commit(Commit {
            links: vec![link("latest", &to)],
            artifacts: vec![to],
            ..commit(n, 2)
        })
    });
    all(moving.collect()).await;
    let found = store.link("research".into(), "latest".into()).await.unwrap();
    let versions: Vec<u64> = found.iter().map(|link| link.version).collect();
    assert_eq!(versions, (1..=30).rev().collect::<Vec<_>>());
    let mut by: Vec<_> = found.iter().map(|link| link.run).collect();
    by.sort();
    by.dedup();
    assert_eq!(by.len(), 30);
}

pub(super) async fn a_link_outlives_the_run_that_moved_it(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let linked = artifact(1, run(1), "a.md", "aa");
    let unlinked = artifact(2, run(1), "b.md", "bb");
    let moved = Commit {
        links: vec![link("latest", &linked)],
        artifacts: vec![linked.clone(), unlinked],
        ..commit(1, 2)
    };
    store.commit(moved).await.unwrap();
    store
        .commit(last_commit(1, 3, RunStatus::Succeeded))
        .await
        .unwrap();
    assert!(store.remove(run(1)).await.unwrap());
    let found = store.link("research".into(), "latest".into()).await.unwrap();
    assert_eq!(found[0].artifact, linked.artifact);
    assert_eq!(store.artifacts(ArtifactQuery::default()).await.unwrap(), [linked]);
    let referenced = store.referenced().await.unwrap();
    assert_eq!(referenced.into_iter().collect::<Vec<_>>(), ["aa"]);
}

pub(super) async fn what_artifacts_and_links_refer_to_is_referenced(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    assert!(store.referenced().await.unwrap().is_empty());
    let a = artifact(1, run(1), "a.md", "aa");
    let twin = artifact(2, run(1), "b.md", "aa");
    let foreign = link("latest", &artifact(3, run(1), "c.md", "cc"));
    let commit = Commit {
        artifacts: vec![a, twin],
        links: vec![foreign],
        ..commit(1, 2)
    };
    store.commit(commit).await.unwrap();
    let referenced = store.referenced().await.unwrap();
    assert_eq!(referenced.into_iter().collect::<Vec<_>>(), ["aa", "cc"]);
}
