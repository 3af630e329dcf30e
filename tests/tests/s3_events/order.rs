//! Events that come twice, late, in disorder and at the same time.

use futures::future::join_all;

use crate::common::api::block_on;
use crate::event;
use crate::world::{GREEN, PICTURES, RED, RESULTS, World, colour, send};

#[test]
fn an_event_that_comes_twice_changes_nothing() {
    let world = World::toy();
    let created = world.put("red.png", colour(RED), 1);
    block_on(async {
        send(&world.handler(), created.notification()).await.unwrap();
        let first = world.result("red.png").await.unwrap();
        for handler in [world.handler(), world.handler()] {
            send(&handler, created.notification()).await.unwrap();
            send(&handler, event::task(PICTURES, "red.png")).await.unwrap();
            assert_eq!(world.result("red.png").await.as_ref(), Some(&first));
        }
    });
}

#[test]
fn an_object_that_is_deleted_later_keeps_its_result() {
    let world = World::toy();
    let created = world.put("red.png", colour(RED), 1);
    block_on(async {
        send(&world.handler(), created.notification()).await.unwrap();
        let first = world.result("red.png").await;
        world.delete("red.png").await;
        send(&world.handler(), created.notification()).await.unwrap();
        send(&world.handler(), event::task(PICTURES, "red.png")).await.unwrap();
        assert_eq!(world.result("red.png").await, first);
    });
}

#[test]
fn an_older_event_changes_nothing() {
    let world = World::toy();
    let older = world.put("x.png", colour(RED), 0x0f);
    let newer = world.put("x.png", colour(GREEN), 0x10);
    block_on(async {
        send(&world.handler(), newer.notification()).await.unwrap();
        let first = world.result("x.png").await;
        assert_eq!(world.result_json("x.png").await["label"], "green");
        send(&world.handler(), older.notification()).await.unwrap();
        assert_eq!(world.result("x.png").await, first);
        // Nor does one that does not say which content it means.
        let mut vague = older.notification();
        vague["Records"][0]["s3"]["object"].as_object_mut().unwrap().remove("eTag");
        send(&world.handler(), vague).await.unwrap();
        assert_eq!(world.result("x.png").await, first);
    });
}

#[test]
fn a_newer_event_replaces_the_result() {
    let world = World::toy();
    block_on(async {
        let older = world.put("x.png", colour(RED), 9);
        send(&world.handler(), older.notification()).await.unwrap();
        assert_eq!(world.result_json("x.png").await["label"], "red");
        let newer = world.put("x.png", colour(GREEN), 10);
        send(&world.handler(), newer.notification()).await.unwrap();
        assert_eq!(world.result_json("x.png").await["label"], "green");
    });
}

#[test]
fn a_backfill_classifies_what_there_is_and_keeps_the_place_in_the_order() {
    let world = World::toy();
    let older = world.put("x.png", colour(RED), 5);
    block_on(async {
        send(&world.handler(), older.notification()).await.unwrap();
        // Written again, and the event of that is still on its way.
        let newer = world.put("x.png", colour(GREEN), 6);
        let answer = send(&world.handler(), event::task(PICTURES, "x.png")).await.unwrap();
        assert_eq!(answer["results"][0]["resultCode"], "Succeeded", "{answer}");
        let result = world.result_json("x.png").await;
        assert_eq!(
            (&result["label"], &result["source"]["sequencer"]),
            (&"green".into(), &"0000000000000005".into())
        );
        send(&world.handler(), older.notification()).await.unwrap();
        assert_eq!(world.result_json("x.png").await["label"], "green");
        send(&world.handler(), newer.notification()).await.unwrap();
        let result = world.result_json("x.png").await;
        assert_eq!(
            (&result["label"], &result["source"]["sequencer"]),
            (&"green".into(), &"0000000000000006".into())
        );
    });
}

#[test]
fn an_event_that_comes_again_leaves_what_a_backfill_saw_of_a_later_version() {
    let world = World::toy();
    let older = world.put("x.png", colour(RED), 5);
    block_on(async {
        send(&world.handler(), older.notification()).await.unwrap();
        world.put("x.png", colour(GREEN), 6);
        send(&world.handler(), event::task(PICTURES, "x.png")).await.unwrap();
        // The first content can be had again, as from a bucket with versions.
        world.put("x.png", colour(RED), 5);
        send(&world.handler(), older.notification()).await.unwrap();
        assert_eq!(world.result_json("x.png").await["label"], "green");
    });
}

#[test]
fn another_model_replaces_the_result_of_the_same_object() {
    let world = World::toy();
    let bundle = crate::common::toy::bundle(crate::common::toy::Graph::MeanColour);
    let description = bundle.path().join("bundle.json");
    let text = std::fs::read_to_string(&description).unwrap();
    std::fs::write(description, text.replace(r#""version":"1""#, r#""version":"2""#)).unwrap();
    let created = world.put("red.png", colour(RED), 1);
    block_on(async {
        send(&world.handler(), created.notification()).await.unwrap();
        let next = world.handler_with(world.store_of(bundle.path()));
        send(&next, created.notification()).await.unwrap();
        assert_eq!(world.result_json("red.png").await["model"]["version"], "2");
    });
}

#[test]
fn an_invalid_result_is_replaced() {
    let world = World::toy();
    let created = world.put("red.png", colour(RED), 1);
    world.server.put(RESULTS, "pictures/red.png.json", b"[]".to_vec());
    block_on(async {
        send(&world.handler(), created.notification()).await.unwrap();
        assert_eq!(world.result_json("red.png").await["label"], "red");
    });
}

/// Twelve versions of one object, each told of twice, all at the same time and in all orders.
#[test]
fn however_events_race_the_newest_wins() {
    let world = World::toy();
    for round in 0..5_usize {
        let key = format!("race-{round}.png");
        let versions: Vec<_> = (0..12_u8)
            .map(|n| world.put(&key, colour([10 * n, 130, 0]), u64::from(n) + 1))
            .collect();
        let mut events: Vec<_> = versions.iter().chain(&versions).collect();
        let middle = (round * 7) % events.len();
        events.rotate_left(middle);
        block_on(async {
            // Without tags: each reads the newest content, and only the order tells them apart.
            let handlers: Vec<_> = events.iter().map(|_| world.handler()).collect();
            let mut waiting: Vec<_> = events.iter().zip(&handlers).collect();
            while !waiting.is_empty() {
                let sent = waiting.iter().map(|(created, handler)| {
                    let mut event = created.notification();
                    event["Records"][0]["s3"]["object"].as_object_mut().unwrap().remove("eTag");
                    send(handler, event)
                });
                let mut answers = join_all(sent).await.into_iter();
                // One that lost every race is told again, like any other failure.
                waiting.retain(|_| match answers.next().unwrap() {
                    Ok(_) => false,
                    Err(error) => {
                        assert!(error.to_string().contains("overwritten"), "{error}");
                        true
                    }
                });
            }
            let newest = versions.last().unwrap();
            let result = world.result_json(&key).await;
            assert_eq!(result["source"]["sequencer"], format!("{:016X}", newest.sequencer));
            assert_eq!(result["source"]["etag"], newest.etag);
        });
    }
}

/// What the s3-events function of 0.1.0 wrote; see tests/upgrading/data-0.1.0.
#[test]
fn a_result_of_0_1_0_is_kept_for_older_events_and_replaced_by_newer_ones() {
    const OLD: &[u8] = include_bytes!("../../upgrading/data-0.1.0/result.json");
    const SEQUENCER: u64 = 0x0055_AED6_DCD9_0281;
    let world = World::toy();
    world.server.put(RESULTS, &format!("{PICTURES}/a/red.png.json"), OLD.to_vec());
    block_on(async {
        let older = world.put("a/red.png", colour(GREEN), SEQUENCER - 1);
        send(&world.handler(), older.notification()).await.unwrap();
        assert_eq!(world.result("a/red.png").await.as_deref(), Some(OLD));
        let newer = world.put("a/red.png", colour(GREEN), SEQUENCER + 1);
        send(&world.handler(), newer.notification()).await.unwrap();
        assert_eq!(world.result_json("a/red.png").await["label"], "green");
    });
}
