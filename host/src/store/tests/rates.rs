//! What was used of vendors' rate limits.

use super::*;
use crate::rules::rate::Bucket;

#[test]
fn a_bucket_is_one_for_all_who_share_the_database() {
    on_both("bucket", |world| async move {
        let bucket = Bucket::new(10, 1, 3);
        let (now, patience) = (1_000_000_000, 500_000);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let store = world.store.clone();
            tasks.spawn(async move { store.take_from_bucket("cxn_1 x", |it| bucket.take(it, now, patience)).await.unwrap() });
        }
        let mut waits: Vec<_> = tasks.join_all().await;
        waits.sort_unstable();
        let wanted: Vec<Result<i64, i64>> = [0, 0, 0, 100_000, 200_000, 300_000, 400_000, 500_000].map(Ok).into();
        assert_eq!(waits[..8], wanted);
        assert_eq!(waits[8..], [Err(600_000); 4], "who finds no place in time takes none");
        assert_eq!(world.store.take_from_bucket("cxn_2 x", |it| bucket.take(it, now, 0)).await.unwrap(), Ok(0), "another one's is full");
    });
}

#[test]
fn a_days_quota_is_given_out_once_and_anew_the_next_day() {
    on_both("quota", |world| async move {
        let take = async |day, portion| world.store.take_from_day("cxn_1 10/day", day, portion, 10).await.unwrap();
        assert_eq!([take(20_000, 4).await, take(20_000, 4).await, take(20_000, 4).await, take(20_000, 4).await], [4, 4, 2, 0]);
        assert_eq!(take(20_001, 4).await, 4);
        assert_eq!([take(20_000, 100).await, take(20_001, 100).await], [6, 0], "a clock that was moved back gives nothing anew");
    });
}
