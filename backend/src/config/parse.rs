//! Values of settings.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

/// Parses a block of addresses, or one address.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| format!("{text} is not a network; expected for example 10.1.0.0/16"))
}

/// Parses the origin of the page, without a path.
pub fn public_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; expected https://loadify.example.com"))?;
    if !matches!(url.scheme(), "http" | "https") || url.path() != "/" || url.query().is_some() {
        return Err(format!("{text} is not the root of a site; expected for example https://loadify.example.com"));
    }
    Ok(url)
}

pub fn default_storage() -> Url {
    let folder = std::env::current_dir().unwrap_or_else(|_| "/".into()).join("var").join("storage");
    Url::from_directory_path(folder).expect("the current directory is absolute")
}

pub fn broker_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; expected amqp://user:password@host:port/vhost"))?;
    match url.scheme() {
        "amqp" | "amqps" => Ok(url),
        other => Err(format!("{other}:// is not supported; expected amqp:// or amqps:// (RabbitMQ)")),
    }
}

pub fn storage_url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|error| format!("{error}; expected file:///folder, s3://bucket or memory:///"))?;
    match url.scheme() {
        "file" | "s3" | "memory" => Ok(url),
        other => Err(format!("{other}:// is not supported; expected file://, s3:// or memory://")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_broker_is_refused_naming_the_supported_ones() {
        assert!(broker_url("redis://localhost").unwrap_err().contains("amqp://"));
        assert!(broker_url("localhost:5672").unwrap_err().contains("amqp://"));
        assert!(broker_url("amqps://user:secret@host/vhost").is_ok());
    }

    #[test]
    fn a_network_is_a_block_or_an_address() {
        assert_eq!(network(" 10.1.0.0/16"), Ok("10.1.0.0/16".parse().expect("a block")));
        assert_eq!(network("::1"), Ok("::1/128".parse().expect("a block")));
        assert!(network("intranet").unwrap_err().contains("10.1.0.0/16"));
    }

    #[test]
    fn storage_is_a_folder_a_bucket_or_memory() {
        assert!(storage_url("/var/files").is_err());
        assert!(storage_url("ftp://host/files").unwrap_err().contains("s3://"));
        assert!(storage_url("s3://bucket/prefix").is_ok());
    }
}
