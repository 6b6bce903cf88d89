//! The smallest program around the server: serves until Ctrl-C, with the kubeconfig in the
//! file named first and objects in the file named second, if any.

use std::path::PathBuf;

use polyreme_apiserver::{Server, ServerConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let kubeconfig = arguments.next().ok_or("usage: serve KUBECONFIG [DATA]")?;
    let config = ServerConfig { data: arguments.next(), ..ServerConfig::default() };
    let server = Server::start(config).await?;
    std::fs::write(&kubeconfig, server.kubeconfig())?;
    println!("serving on {}; kubeconfig is {}", server.url(), kubeconfig.display());
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    Ok(())
}
