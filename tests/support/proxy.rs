//! A TCP proxy that simulates network failures: its connections can be cut, or stop delivering.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards connections to a server.
pub struct Proxy {
    pub address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    is_cut: bool,
    /// Number of calls of [`Proxy::swallow`]. Connections that were opened before the last one deliver nothing.
    swallowed: u32,
}

impl Proxy {
    /// Starts a proxy to a server, given as `host:port`.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(State::default());
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut seen) = (server.clone(), seen.clone());
                let born = seen.borrow().swallowed;
                tokio::spawn(async move {
                    let mut silent = seen.clone();
                    let passing = async {
                        if let Ok(mut upstream) = TcpStream::connect(&server).await {
                            tokio::select! {
                                // Client and server decide how the connection ends.
                                _ = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {}
                                // Both ends stay connected.
                                () = wait(&mut silent, |state| state.swallowed > born) => std::future::pending().await,
                            }
                        }
                    };
                    tokio::select! {
                        biased;
                        () = wait(&mut seen, |state| state.is_cut) => {}
                        () = passing => {}
                    }
                });
            }
        });
        Self { address, state }
    }

    /// Closes all connections, and each new one at once.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.is_cut = true);
    }

    /// Accepts connections again after [`Self::cut`].
    pub fn restore(&self) {
        self.state.send_modify(|state| state.is_cut = false);
    }

    /// From now on, all open connections stay open and discard everything that is sent, in both directions, as a firewall
    /// does that has dropped their state. New connections work.
    pub fn swallow(&self) {
        self.state.send_modify(|state| state.swallowed += 1);
    }
}

/// Waits until the state satisfies `condition`, or the proxy is dropped.
async fn wait(state: &mut watch::Receiver<State>, condition: impl FnMut(&State) -> bool) {
    let _ = state.wait_for(condition).await.is_ok();
}
