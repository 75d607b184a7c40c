//! A TCP proxy whose line can be cut: what a network, or a server behind it, can do to a client.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes connections on to a server, until it is cut.
pub struct Proxy {
    pub address: SocketAddr,
    is_cut: watch::Sender<bool>,
}

impl Proxy {
    /// To a server, given as `host:port`.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_cut, seen) = watch::channel(false);
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut seen) = (server.clone(), seen.clone());
                tokio::spawn(async move {
                    let passing = async {
                        if let Ok(mut upstream) = TcpStream::connect(&server).await {
                            // How it ends is the two ends' affair.
                            let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
                        }
                    };
                    tokio::select! {
                        biased;
                        _ = seen.wait_for(|cut| *cut) => {}
                        () = passing => {}
                    }
                });
            }
        });
        Self { address, is_cut }
    }

    /// Ends all connections, and each new one at once.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}
