//! Ports of loopback that are kept for a server from before it starts until after it ends.

use anyhow::{Context, Result};
use tokio::net::TcpSocket;

/// A port that nobody else is given, neither by asking for any free one nor for a connection, while this
/// lives. A server that allows the reuse of addresses, as tokio's and Go's do, can listen on it.
#[derive(Debug)]
pub(crate) struct Port {
    // Bound, and never listens: a connection is refused while no server does.
    _socket: TcpSocket,
    number: u16,
}

impl Port {
    /// Takes a free one.
    pub(crate) fn reserve() -> Result<Self> {
        let take = || -> std::io::Result<Self> {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(([127, 0, 0, 1], 0).into())?;
            let number = socket.local_addr()?.port();
            Ok(Self { _socket: socket, number })
        };
        take().context("failed to find a free port")
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reserved_port_refuses_until_somebody_listens_and_is_given_to_nobody() {
        let port = Port::reserve().unwrap();
        let at = ("127.0.0.1", port.number());
        assert!(tokio::net::TcpStream::connect(at).await.is_err());
        let server = tokio::net::TcpListener::bind(at).await.unwrap();
        assert!(tokio::net::TcpStream::connect(at).await.is_ok());
        drop(server);
        let others: Vec<_> = (0..200).map(|_| Port::reserve().unwrap()).collect();
        assert!(others.iter().all(|other| other.number() != port.number()));
    }
}
