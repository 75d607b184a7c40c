//! Parts of `scripts/bench webhooks`: a receiver, a plain loop of requests, and a loop that changes products.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on stops")]

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tests::receiver::{Answer, Receiver};

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["receiver", milliseconds] => {
            let think = Duration::from_millis(milliseconds.parse().unwrap());
            let receiver = Receiver::behaving(move |_| Answer::After(think, 204)).await;
            println!("{}", receiver.address.port());
            std::future::pending::<()>().await;
        }
        ["loop", url, count, concurrency, timestamp, signature, body] => {
            let signed = [("webhook-timestamp", timestamp), ("webhook-signature", signature)];
            println!("{}", plain_loop(url, count.parse().unwrap(), concurrency.parse().unwrap(), signed, body).await);
        }
        ["patch", base, first_id, count, rate] => {
            patch(base, first_id.parse().unwrap(), count.parse().unwrap(), rate.parse().unwrap()).await;
        }
        _ => panic!(
            "webhooks receiver MS | loop URL COUNT CONCURRENCY TIMESTAMP SIGNATURE BODY | patch BASE FIRST-ID COUNT PER-SECOND"
        ),
    }
}

/// Sends the same requests without anything else. Returns requests per second.
async fn plain_loop(url: &str, count: usize, concurrency: usize, signed: [(&str, &str); 2], body: &str) -> f64 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let start = Instant::now();
    stream::iter(0..count)
        .for_each_concurrent(concurrency, async |_| {
            let request = client
                .post(url)
                .header("content-type", "application/json")
                .header("webhook-id", "msg_bench")
                .header(signed[0].0, signed[0].1)
                .header(signed[1].0, signed[1].1)
                .body(body.to_owned());
            assert_eq!(request.send().await.unwrap().status(), 204);
        })
        .await;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let count = count as f64;
    count / start.elapsed().as_secs_f64()
}

/// Changes `rate` products per second; prints the milliseconds of each change.
async fn patch(base: &str, first_id: i64, count: i64, rate: u64) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for number in 0..count {
        ticks.tick().await;
        let url = format!("{base}/api/v1/products/{}", first_id + number % 1_000);
        let mark = format!("{:x}", rand::random::<u64>());
        let request = client.patch(url).header("if-match", "*").json(&serde_json::json!({ "description": mark }));
        let start = Instant::now();
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        response.bytes().await.unwrap();
        let took: Duration = start.elapsed();
        println!("{}", took.as_secs_f64() * 1_000.0);
    }
}
