//! A TCP proxy that simulates network failures: its connections can be cut, or stop delivering.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards connections to a server.
pub struct Proxy {
    pub address: SocketAddr,
    line: watch::Sender<Line>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    is_cut: bool,
    /// Connections that were opened before this number of [`Proxy::swallow`] deliver nothing.
    swallowed: u32,
}

impl Proxy {
    /// To a server, given as `host:port`.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (line, seen) = watch::channel(Line::default());
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
                                () = wait(&mut silent, |line| line.swallowed > born) => std::future::pending().await,
                            }
                        }
                    };
                    tokio::select! {
                        biased;
                        () = wait(&mut seen, |line| line.is_cut) => {}
                        () = passing => {}
                    }
                });
            }
        });
        Self { address, line }
    }

    /// Closes all connections, and each new one at once.
    pub fn cut(&self) {
        self.line.send_modify(|line| line.is_cut = true);
    }

    /// Accepts connections again after [`Self::cut`].
    pub fn restore(&self) {
        self.line.send_modify(|line| line.is_cut = false);
    }

    /// From now on, all open connections stay open and discard everything that is sent, in both directions, as a firewall
    /// does that has dropped their state. New connections work.
    pub fn swallow(&self) {
        self.line.send_modify(|line| line.swallowed += 1);
    }
}

/// Waits until the line satisfies `condition`, or the proxy is dropped.
async fn wait(line: &mut watch::Receiver<Line>, condition: impl FnMut(&Line) -> bool) {
    let _ = line.wait_for(condition).await.is_ok();
}
