//! A receiver of webhooks with a programmable behaviour, on real connections.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::eventually;

/// How a request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16),
    /// A status after a delay.
    After(Duration, u16),
    /// A status with additional header lines, and a body.
    Full(u16, &'static str, String),
    /// These bytes, unchanged, then the end of the connection.
    Raw(Vec<u8>),
    /// No response.
    Hang,
    /// A reset of the connection instead of a response.
    Reset,
    /// 200, then a reset of the connection in the middle of the body.
    TakeAndReset,
    /// 200, with a body of one byte per second.
    Drip,
    /// 200, with a body of this size.
    Flood(u64),
    /// Bytes that are not HTTP.
    Garbage,
}

/// A complete request.
#[derive(Debug, Clone)]
pub struct Received {
    pub at: Instant,
    pub path: String,
    /// By lower-case name.
    pub headers: HashMap<String, String>,
    pub body: String,
    /// Number of its connection: 0, 1, 2 …
    pub connection: usize,
    /// Whether a complete 2xx response was written.
    pub accepted: bool,
}

impl Received {
    /// `webhook-id`.
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Returns the type of the message.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

type Behaviour = Box<dyn FnMut(&Received) -> Answer + Send>;

#[derive(Default)]
struct State {
    received: Mutex<Vec<Received>>,
    behaviour: Mutex<Option<Behaviour>>,
    /// Bytes of response bodies that were written, and open connections.
    flooded: Mutex<u64>,
    open: Mutex<usize>,
}

pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    /// Starts a receiver that answers 204 to every request.
    pub async fn start() -> Self {
        Self::behaving(|_| Answer::Status(204)).await
    }

    pub async fn behaving(behaviour: impl FnMut(&Received) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let serving = tokio::spawn(serve(listener, Arc::clone(&state)));
        let receiver = Self { address, state, serving };
        receiver.behave(behaviour);
        receiver
    }

    /// Changes the behaviour from now on.
    pub fn behave(&self, behaviour: impl FnMut(&Received) -> Answer + Send + 'static) {
        *self.state.behaviour.lock().unwrap() = Some(Box::new(behaviour));
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.state.received.lock().unwrap()
    }

    pub fn count(&self) -> usize {
        self.received().len()
    }

    /// Returns the first `count` requests as soon as they have arrived.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        eventually("requests to the receiver", || async { (self.count() >= count).then_some(()) }).await;
        self.received()[..count].to_vec()
    }

    /// Returns the bytes of response bodies that the client accepted.
    pub fn flooded(&self) -> u64 {
        *self.state.flooded.lock().unwrap()
    }

    pub fn open_connections(&self) -> usize {
        *self.state.open.lock().unwrap()
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut number = 0;
    while let Ok((peer, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            *state.open.lock().unwrap() += 1;
            // The client may disconnect at any time.
            let _ = converse(peer, &state, number).await;
            *state.open.lock().unwrap() -= 1;
        });
        number += 1;
    }
}

async fn converse(peer: TcpStream, state: &State, connection: usize) -> std::io::Result<()> {
    peer.set_nodelay(true)?;
    let mut peer = BufReader::new(peer);
    while let Some(request) = read(&mut peer, connection).await? {
        let answer = state.behaviour.lock().unwrap().as_mut().unwrap()(&request);
        let place = {
            let mut received = state.received.lock().unwrap();
            received.push(request);
            received.len() - 1
        };
        let accepted =
            matches!(answer, Answer::Status(200..=299) | Answer::After(_, 200..=299) | Answer::Full(200..=299, ..));
        if !respond(peer.get_mut(), answer, state).await? {
            return Ok(());
        }
        state.received.lock().unwrap()[place].accepted = accepted;
    }
    Ok(())
}

/// Returns whether the connection can be used for another request.
async fn respond(peer: &mut TcpStream, answer: Answer, state: &State) -> std::io::Result<bool> {
    let head = |status: u16, headers: &str, length: u64| {
        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n")
    };
    let answer = if let Answer::After(pause, status) = answer {
        tokio::time::sleep(pause).await;
        Answer::Status(status)
    } else {
        answer
    };
    match answer {
        Answer::After(..) | Answer::Status(204) => peer.write_all(b"HTTP/1.1 204 X\r\n\r\n").await?,
        Answer::Status(status) => peer.write_all(head(status, "", 0).as_bytes()).await?,
        Answer::Full(status, headers, body) => {
            peer.write_all((head(status, headers, body.len() as u64) + &body).as_bytes()).await?;
        }
        Answer::Raw(bytes) => {
            peer.write_all(&bytes).await?;
            return Ok(false);
        }
        Answer::Hang => {
            // Until the client disconnects.
            while peer.read(&mut [0; 64]).await? > 0 {}
            return Ok(false);
        }
        Answer::Reset => {
            peer.set_zero_linger()?;
            return Ok(false);
        }
        Answer::TakeAndReset => {
            peer.write_all((head(200, "", 100) + "so far").as_bytes()).await?;
            // An immediate reset would discard what was written.
            tokio::time::sleep(Duration::from_millis(5)).await;
            peer.set_zero_linger()?;
            return Ok(false);
        }
        Answer::Drip => {
            peer.write_all(head(200, "", 1_000).as_bytes()).await?;
            loop {
                peer.write_all(b".").await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Answer::Flood(bytes) => {
            peer.write_all(head(200, "", bytes).as_bytes()).await?;
            let chunk = vec![b'x'; 64 << 10];
            for _ in 0..bytes / chunk.len() as u64 {
                peer.write_all(&chunk).await?;
                *state.flooded.lock().unwrap() += chunk.len() as u64;
            }
        }
        Answer::Garbage => {
            peer.write_all(b"220 smtp.example.com ESMTP\r\n").await?;
            return Ok(false);
        }
    }
    Ok(true)
}

async fn read(peer: &mut BufReader<TcpStream>, connection: usize) -> std::io::Result<Option<Received>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if peer.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let path = lines[0].split(' ').nth(1).unwrap().to_owned();
    let headers: HashMap<_, _> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    peer.read_exact(&mut body).await?;
    let body = String::from_utf8(body).unwrap();
    Ok(Some(Received { at: Instant::now(), path, headers, body, connection, accepted: false }))
}
