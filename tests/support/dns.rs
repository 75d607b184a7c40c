//! A name server with programmable answers, which can change.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{net::UdpSocket, task::JoinHandle};

/// Types of records (RFC 1035, section 3.2.2).
const A: u16 = 1;

pub struct NameServer {
    pub address: SocketAddr,
    questions: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl NameServer {
    /// Starts a name server that answers query number 0, 1, 2 … for an IPv4 address with the addresses that `answer`
    /// returns. The time to live of answers is 0.
    pub async fn start(answer: impl Fn(usize) -> Vec<Ipv4Addr> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let questions = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&questions);
        let serving = tokio::spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut packet).await {
                let Some(end) = end_of_question(&packet[..length]) else { continue };
                let kind = u16::from_be_bytes([packet[end - 4], packet[end - 3]]);
                let addresses = if kind == A { answer(counter.fetch_add(1, SeqCst)) } else { Vec::new() };
                let _ = socket.send_to(&reply(&packet[..end], &addresses), peer).await;
            }
        });
        Self { address, questions, serving }
    }

    /// Returns the number of queries for an IPv4 address so far.
    pub fn questions(&self) -> usize {
        self.questions.load(SeqCst)
    }
}

/// Returns the end of the first question, after its name, type and class.
fn end_of_question(packet: &[u8]) -> Option<usize> {
    let mut place = 12;
    loop {
        match usize::from(*packet.get(place)?) {
            0 => return (place + 5 <= packet.len()).then_some(place + 5),
            length => place += length + 1,
        }
    }
}

fn reply(question: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut reply = question.to_vec();
    // An answer, recursion available, no error; one question, and no records but answers.
    reply[2..4].copy_from_slice(&[0x81, 0x80]);
    reply[4..6].copy_from_slice(&[0, 1]);
    reply[6..8].copy_from_slice(&u16::try_from(addresses.len()).unwrap().to_be_bytes());
    reply[8..12].fill(0);
    for address in addresses {
        // The name of the question, A, IN, no time to live, four bytes.
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend_from_slice(&address.octets());
    }
    reply
}
