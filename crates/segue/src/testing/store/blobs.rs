//! Cases: bytes are kept by their content, as a whole or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Fixture;
use crate::store::{Blobs, Store};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

async fn swept(blobs: &dyn Blobs, referenced: &[&str], older_than: Duration) -> u64 {
    let referenced: BTreeSet<String> = referenced.iter().map(|hash| (*hash).into()).collect();
    blobs.sweep(referenced, older_than).await.unwrap()
}

async fn read(store: &dyn Store, hash: &str) -> Option<Vec<u8>> {
    store.blobs().load(hash, u64::MAX).await.unwrap()
}

pub(super) async fn they_are_named_by_their_hash(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let kept = store.blobs().keep(b"abc".to_vec()).await.unwrap();
    assert_eq!(kept, (ABC.to_owned(), 3));
    assert_eq!(read(&*store, ABC).await, Some(b"abc".to_vec()));
}

pub(super) async fn nothing_is_something_too(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(read(&*store, EMPTY).await, None);
    let writer = store.blobs().write().await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), (EMPTY.to_owned(), 0));
    assert_eq!(read(&*store, EMPTY).await, Some(Vec::new()));
}

pub(super) async fn pieces_make_a_whole(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let whole = bytes(3_000_001, 1);
    let expected = store.blobs().keep(whole.clone()).await.unwrap();
    for size in [1_000_000, 65_537, 2_999_999] {
        let mut writer = store.blobs().write().await.unwrap();
        for piece in whole.chunks(size) {
            writer.append(piece.to_vec()).await.unwrap();
            writer.append(Vec::new()).await.unwrap();
        }
        assert_eq!(writer.finish().await.unwrap(), expected);
    }
    assert_eq!(read(&*store, &expected.0).await, Some(whole));
}

pub(super) async fn they_are_read_in_bounded_pieces(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let whole = bytes(9_000_000, 2);
    let (hash, length) = store.blobs().keep(whole.clone()).await.unwrap();
    assert_eq!(length, 9_000_000);
    let mut reader = store.blobs().read(hash).await.unwrap().expect("it is there");
    let mut all = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        assert!(
            !piece.is_empty() && piece.len() <= 4_000_000,
            "a piece of {} bytes",
            piece.len()
        );
        all.extend(piece);
    }
    assert!(all == whole);
    assert_eq!(reader.next().await.unwrap(), None, "the end stays the end");
}

pub(super) async fn a_writer_that_is_dropped_leaves_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut writer = store.blobs().write().await.unwrap();
    writer.append(b"abc".to_vec()).await.unwrap();
    assert_eq!(
        read(&*store, ABC).await,
        None,
        "nothing is visible before the end"
    );
    drop(writer);
    assert_eq!(read(&*store, ABC).await, None);
    assert_eq!(swept(store.blobs(), &[], Duration::ZERO).await, 0);
}

pub(super) async fn equal_content_is_kept_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for _ in 0..3 {
        store.blobs().keep(b"abc".to_vec()).await.unwrap();
    }
    let keeping = (0..10).map(|_| store.blobs().keep(b"abc".to_vec()));
    for kept in futures_util::future::join_all(keeping).await {
        assert_eq!(kept.unwrap().0, ABC);
    }
    assert_eq!(read(&*store, ABC).await, Some(b"abc".to_vec()));
    assert_eq!(swept(store.blobs(), &[], Duration::ZERO).await, 1);
}

pub(super) async fn what_is_not_there_is_not_found(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.blobs().keep(b"abc".to_vec()).await.unwrap();
    let upper = ABC.to_uppercase();
    let names = [
        "",
        "ba",
        "../../etc/passwd",
        "/etc/passwd",
        &upper,
        &ABC[..63],
        "ba7816bf/",
        EMPTY,
        "\0",
    ];
    for name in names {
        assert_eq!(read(&*store, name).await, None, "{name:?}");
    }
}

pub(super) async fn what_is_referred_to_is_not_swept(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (kept, _) = store.blobs().keep(bytes(100, 3)).await.unwrap();
    store.blobs().keep(b"abc".to_vec()).await.unwrap();
    store.blobs().keep(Vec::new()).await.unwrap();
    assert_eq!(swept(store.blobs(), &[&kept], Duration::ZERO).await, 2);
    assert_eq!(read(&*store, &kept).await, Some(bytes(100, 3)));
    assert_eq!(read(&*store, ABC).await, None);
    assert_eq!(swept(store.blobs(), &[&kept], Duration::ZERO).await, 0);
    store.blobs().keep(b"abc".to_vec()).await.unwrap();
    assert_eq!(
        read(&*store, ABC).await,
        Some(b"abc".to_vec()),
        "what was swept can be kept again"
    );
}

pub(super) async fn what_is_young_is_not_swept(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.blobs().keep(b"abc".to_vec()).await.unwrap();
    assert_eq!(swept(store.blobs(), &[], Duration::from_secs(3_600)).await, 0);
    assert_eq!(read(&*store, ABC).await, Some(b"abc".to_vec()));
}

pub(super) async fn a_sweep_does_not_touch_what_is_being_written(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut writer = store.blobs().write().await.unwrap();
    writer.append(b"ab".to_vec()).await.unwrap();
    assert_eq!(swept(store.blobs(), &[], Duration::from_secs(3_600)).await, 0);
    writer.append(b"c".to_vec()).await.unwrap();
    assert_eq!(writer.finish().await.unwrap().0, ABC);
    assert_eq!(read(&*store, ABC).await, Some(b"abc".to_vec()));
}

pub(super) async fn another_handle_reads_them(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (hash, _) = store.blobs().keep(bytes(300_000, 4)).await.unwrap();
    let again = fixture.open().await;
    assert_eq!(read(&*again, &hash).await, Some(bytes(300_000, 4)));
}

pub(super) async fn more_than_asked_for_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (hash, _) = store.blobs().keep(bytes(1_000, 5)).await.unwrap();
    assert!(store.blobs().load(&hash, 999).await.is_err());
    assert!(store.blobs().load(&hash, 1_000).await.unwrap().is_some());
}

pub(super) async fn many_are_written_side_by_side(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let write = async |seed: u32| {
        let whole = bytes(50_000, seed);
        let mut writer = store.blobs().write().await.unwrap();
        for piece in whole.chunks(7_000) {
            writer.append(piece.to_vec()).await.unwrap();
        }
        let (hash, length) = writer.finish().await.unwrap();
        assert_eq!(length, 50_000);
        assert!(read(&*store, &hash).await == Some(whole));
    };
    futures_util::future::join_all((0..30).map(write)).await;
    assert_eq!(swept(store.blobs(), &[], Duration::ZERO).await, 30);
}
