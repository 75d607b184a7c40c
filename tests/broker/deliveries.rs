//! Deliveries by workers that are notified through RabbitMQ.

use std::time::{Duration, Instant};

use tests::{
    TestApp,
    receiver::{Answer, Receiver},
    webhooks::LOCAL,
};

#[tokio::test]
async fn a_worker_with_one_task_sends_new_deliveries_while_it_waits_for_a_dead_receiver() {
    let app = TestApp::serve(&[LOCAL, ("IMPORT_CONCURRENCY", "1")]).await;
    let _worker = app.worker(&[]).await;
    let (dead, alive) = (Receiver::behaving(|_| Answer::Hang).await, Receiver::start().await);
    app.webhook(&dead).await;
    app.webhook(&alive).await;
    app.create_product("first").await;
    dead.wait_for(1).await;
    // The worker processes the message until the request to the dead receiver times out, after 15 s.
    let start = Instant::now();
    for number in 0..10 {
        app.create_product(&format!("sku-{number}")).await;
    }
    alive.wait_for(11).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
