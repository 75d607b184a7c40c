//! A TCP proxy that simulates bad networks and reverse proxies with short timeouts.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// Maximum bytes per write.
const SEGMENT_BYTES: usize = 16 << 10;
/// Maximum segments in flight.
const MAX_SEGMENTS_IN_FLIGHT: usize = 64;

/// The faults to inject. None by default.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Latency in each direction.
    pub latency: Duration,
    /// Bytes per second from the client to the server, per connection.
    pub bytes_per_second: Option<u32>,
    /// Bytes from the client after which a connection is cut.
    pub cut_after_bytes: Option<u64>,
    /// Time after which a request is cut, with or without a response.
    pub cut_requests_after: Option<Duration>,
    /// Mean time until a connection is reset; the time of each connection is random.
    pub mean_time_to_reset: Option<Duration>,
    /// Seed of the random times.
    pub seed: u64,
}

/// Counts of injected faults and of forwarded bytes.
#[derive(Debug, Default)]
pub struct Tally {
    pub from_client_bytes: AtomicU64,
    pub cuts: AtomicU64,
    pub resets: AtomicU64,
}

/// Forwards connections to a server, with [`Faults`].
pub struct FaultProxy {
    pub address: SocketAddr,
    pub tally: Arc<Tally>,
}

impl FaultProxy {
    /// Starts a proxy to a server, given as `host:port`.
    pub async fn to(server: &str, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tally = Arc::new(Tally::default());
        let (server, counted) = (server.to_owned(), Arc::clone(&tally));
        let random = Mutex::new(StdRng::seed_from_u64(faults.seed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let life = faults.mean_time_to_reset.map(|mean| {
                    let chance: f64 = random.lock().unwrap().random_range(f64::EPSILON..1.0);
                    mean.mul_f64(-chance.ln())
                });
                let (server, faults, counted) = (server.clone(), faults.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    if let Ok(upstream) = TcpStream::connect(&server).await {
                        pass(client, upstream, faults, life, counted).await;
                    }
                });
            }
        });
        Self { address, tally }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Why a connection ended.
enum End {
    /// The client or the server closed it.
    Itself,
    Cut,
    Reset,
}

async fn pass(client: TcpStream, server: TcpStream, faults: Faults, life: Option<Duration>, tally: Arc<Tally>) {
    let now = Instant::now();
    // When the request that is under way is to be cut.
    let (due, mut seen) = watch::channel(None::<Instant>);
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let up = Direction { faults: &faults, due: &due, tally: Some(&tally) };
    let down = Direction { faults: &faults, due: &due, tally: None };
    let passing = async {
        let (mut from_client, mut to_server) = (from_client, to_server);
        let (mut from_server, mut to_client) = (from_server, to_client);
        let end = {
            let both = async {
                tokio::select! {
                    end = up.pump(&mut from_client, &mut to_server) => end,
                    end = down.pump(&mut from_server, &mut to_client) => end,
                }
            };
            let request_is_over = async {
                loop {
                    let at = *seen.borrow_and_update();
                    tokio::select! {
                        () = async { match at { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => return,
                        changed = seen.changed() => if changed.is_err() { std::future::pending::<()>().await },
                    }
                }
            };
            let life_is_over = async {
                match life {
                    Some(life) => sleep_until(now + life).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                end = both => end,
                () = request_is_over => End::Cut,
                () = life_is_over => End::Reset,
            }
        };
        (end, from_client.reunite(to_client), from_server.reunite(to_server))
    };
    let (end, client, server) = passing.await;
    match end {
        End::Itself => {}
        End::Cut => drop(tally.cuts.fetch_add(1, Relaxed)),
        End::Reset => {
            tally.resets.fetch_add(1, Relaxed);
            for line in [client, server].into_iter().flatten() {
                line.set_zero_linger().unwrap();
            }
        }
    }
}

/// One direction of a connection.
struct Direction<'a> {
    faults: &'a Faults,
    due: &'a watch::Sender<Option<Instant>>,
    /// For the way from the client.
    tally: Option<&'a Tally>,
}

impl Direction<'_> {
    /// Forwards bytes until one side closes or the limit is reached.
    async fn pump(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> End {
        let (line, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(MAX_SEGMENTS_IN_FLIGHT);
        let reading = async move {
            let mut free_at = Instant::now();
            let mut bytes = 0;
            loop {
                let mut piece = vec![0; SEGMENT_BYTES];
                let read = match from.read(&mut piece).await {
                    Ok(0) | Err(_) => return End::Itself,
                    Ok(read) => read,
                };
                piece.truncate(read);
                bytes += read as u64;
                self.saw(read as u64);
                if let (Some(per_second), Some(_)) = (self.faults.bytes_per_second, self.tally) {
                    free_at = free_at.max(Instant::now())
                        + Duration::from_secs_f64(f64::from(u32::try_from(read).unwrap()) / f64::from(per_second));
                    sleep_until(free_at).await;
                }
                if line.send((Instant::now() + self.faults.latency, piece)).await.is_err() {
                    return End::Itself;
                }
                if self.tally.is_some() && self.faults.cut_after_bytes.is_some_and(|most| bytes >= most) {
                    return End::Cut;
                }
            }
        };
        let writing = async move {
            while let Some((at, piece)) = arriving.recv().await {
                sleep_until(at).await;
                if to.write_all(&piece).await.is_err() {
                    break;
                }
            }
        };
        // What has been read is delivered, unless the connection is torn.
        let (end, ()) = tokio::join!(reading, writing);
        end
    }

    /// The client begins a request when it sends something after an answer, or at first.
    fn saw(&self, bytes: u64) {
        let Some(tally) = self.tally else {
            self.due.send_replace(None);
            return;
        };
        tally.from_client_bytes.fetch_add(bytes, Relaxed);
        if let Some(after) = self.faults.cut_requests_after {
            self.due.send_if_modified(|due| {
                let begins = due.is_none();
                due.get_or_insert(Instant::now() + after);
                begins
            });
        }
    }
}
