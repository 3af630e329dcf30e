//! A JPEG whose label is too close to call at reduced scale gets the result of full scale.

use crate::common::api::block_on;
use crate::common::close::{close, sure};
use crate::world::{World, send};

#[test]
fn an_object_that_is_too_close_is_decoded_again() {
    let world = World::toy();
    let model = block_on(world.store.get()).unwrap();
    let picture = close(&model, 64);
    let objects =
        [("close.jpg", picture.file, picture.full.top.label.as_str()), ("sure.jpg", sure(), "red")];
    for (key, file, label) in objects {
        let created = world.put(key, file, 1);
        block_on(async {
            send(&world.handler(), created.notification()).await.unwrap();
            assert_eq!(world.result_json(key).await["label"], label);
        });
    }
}
