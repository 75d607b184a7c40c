//! Deliveries of workers that hear of them by RabbitMQ.

use std::time::{Duration, Instant};

use tests::{
    TestApp,
    receiver::{Answer, Receiver},
    webhooks::LOCAL,
};

#[tokio::test]
async fn a_worker_of_one_task_hears_of_new_deliveries_while_a_dead_receiver_is_waited_for() {
    let app = TestApp::serve(&[LOCAL, ("IMPORT_CONCURRENCY", "1")]).await;
    let _worker = app.worker(&[]).await;
    let (dead, alive) = (Receiver::behaving(|_| Answer::Hang).await, Receiver::start().await);
    app.webhook(&dead).await;
    app.webhook(&alive).await;
    app.create_product("first").await;
    dead.wait_for(1).await;
    // The message that told of it is in hand now, until the deadline of the dead one, 15 s.
    let start = Instant::now();
    for number in 0..10 {
        app.create_product(&format!("sku-{number}")).await;
    }
    alive.wait_for(11).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
