//! A broker for celery on lapin 4: confirmed publishing, prefetch per consumer (RabbitMQ 4.3 refuses celery's global
//! one), `amqps://`, and an error, not silence, when the connection ends. It does not reconnect: its users create a new one.

use std::{
    collections::HashMap,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use celery::{
    broker::{Broker, Delivery, DeliveryError, DeliveryStream},
    error::{BrokerError, ProtocolError},
    protocol::{Message, MessageHeaders, MessageProperties, TryDeserializeMessage},
};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueDeclareOptions,
    },
    tcp::OwnedTLSConfig,
    types::{AMQPValue, FieldTable},
};
use url::Url;

use anyhow::Context as _;

use crate::config::BrokerConfig;

/// Heartbeat interval of both ends of a connection, in seconds.
const HEARTBEAT_SECONDS: &str = "10";

/// Address of the broker, and the certificates that are trusted for it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `amqp://` or `amqps://`.
    pub url: Url,
    /// Certificates in PEM that are trusted in addition to those of the system.
    pub authorities: Option<String>,
}

impl Endpoint {
    /// Returns the broker that the settings name, if they name one.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn from_config(config: &BrokerConfig) -> anyhow::Result<Option<Self>> {
        let Some(url) = config.url() else { return Ok(None) };
        let authorities = config.broker_ca_file.as_ref().map(|file| {
            let read = std::fs::read_to_string(file).with_context(|| format!("BROKER_CA_FILE: {}", file.display()))?;
            anyhow::ensure!(
                read.contains("-----BEGIN CERTIFICATE-----"),
                "BROKER_CA_FILE: {} has no certificate in PEM",
                file.display()
            );
            Ok(read)
        });
        let mut url = url.clone();
        if !url.query_pairs().any(|(name, _)| name == "heartbeat") {
            // A connection whose packets a network swallows is closed after two missed heartbeats.
            url.query_pairs_mut().append_pair("heartbeat", HEARTBEAT_SECONDS);
        }
        Ok(Some(Self { url, authorities: authorities.transpose()? }))
    }

    /// Host and port, without credentials.
    pub fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        self.url.socket_addrs(|| Some(if self.url.scheme() == "amqps" { 5671 } else { 5672 }))
    }
}

pub struct AmqpBroker {
    url: Url,
    connection: Connection,
    channel: Channel,
    prefetch: HashMap<String, u16>,
    /// Tasks whose messages need not survive a restart of the broker.
    transient: &'static [&'static str],
}

impl AmqpBroker {
    /// Connects and declares `queues`, durable, each with the prefetch of its consumer. Messages of the tasks in `transient`
    /// do not survive a restart of the broker.
    pub async fn connect(
        endpoint: &Endpoint,
        queues: &[(&str, u16)],
        transient: &'static [&'static str],
    ) -> lapin::Result<Self> {
        let properties = ConnectionProperties::default().with_connection_name("loadify".into());
        let tls = OwnedTLSConfig { identity: None, cert_chain: endpoint.authorities.clone() };
        let runtime = lapin::runtime::default_runtime()?;
        let connection = Connection::connect_with_config(endpoint.url.as_str(), properties, tls, runtime).await?;
        let channel = connection.create_channel().await?;
        for (queue, _) in queues {
            channel.queue_declare((*queue).into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
        }
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let prefetch = queues.iter().map(|(queue, prefetch)| ((*queue).to_owned(), *prefetch)).collect();
        Ok(Self { url: endpoint.url.clone(), connection, channel, prefetch, transient })
    }
}

fn failed(error: &lapin::Error) -> BrokerError {
    BrokerError::IoError(std::io::Error::other(error.to_string()))
}

/// The end of a connection, as a kind of error that celery does not recognize as one: it would wait for 25 s before it failed.
fn lost(reason: &str) -> BrokerError {
    BrokerError::DeserializeError(serde_json::Error::io(std::io::Error::other(reason.to_owned())))
}

#[async_trait]
impl Broker for AmqpBroker {
    fn safe_url(&self) -> String {
        format!("{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }

    async fn consume(
        &self,
        queue: &str,
        on_error: Box<dyn Fn(BrokerError) + Send + Sync + 'static>,
    ) -> Result<(String, Box<dyn DeliveryStream>), BrokerError> {
        // It applies to the consumers that are created after it.
        let prefetch = self.prefetch.get(queue).copied().unwrap_or(1);
        let limited = self.channel.basic_qos(prefetch, BasicQosOptions::default()).await;
        limited.map_err(|error| failed(&error))?;
        let consumer = self
            .channel
            .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .map_err(|error| failed(&error))?;
        let tag = consumer.tag().to_string();
        Ok((tag, Box::new(Deliveries { consumer, on_error, ended: false })))
    }

    async fn cancel(&self, consumer_tag: &str) -> Result<(), BrokerError> {
        let cancelled = self.channel.basic_cancel(consumer_tag.into(), BasicCancelOptions::default()).await;
        cancelled.map_err(|error| failed(&error))
    }

    async fn ack(&self, delivery: &dyn Delivery) -> Result<(), BrokerError> {
        delivery.ack().await
    }

    /// A task that fails is retried by its row, never by its message.
    async fn retry(&self, _: &dyn Delivery, _: Option<DateTime<Utc>>) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn send(&self, message: &Message, queue: &str) -> Result<(), BrokerError> {
        let confirmation = self
            .channel
            .basic_publish(
                "".into(),
                queue.into(),
                BasicPublishOptions::default(),
                &message.raw_body,
                self.properties(message),
            )
            .await
            .map_err(|error| failed(&error))?
            .await
            .map_err(|error| failed(&error))?;
        if confirmation.is_nack() {
            return Err(BrokerError::IoError(std::io::Error::other("the broker rejected the message")));
        }
        Ok(())
    }

    /// Only for messages with an ETA, which are not sent.
    async fn increase_prefetch_count(&self) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn decrease_prefetch_count(&self) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), BrokerError> {
        self.connection.close(200, "bye".into()).await.map_err(|error| failed(&error))
    }

    /// Not called: see [`lost`].
    async fn reconnect(&self, _: u32) -> Result<(), BrokerError> {
        Err(lost("the connection ended"))
    }
}

impl AmqpBroker {
    /// The headers that celery's protocol, version 2, requires.
    fn properties(&self, message: &Message) -> BasicProperties {
        let mut headers = FieldTable::default();
        for (name, value) in [("id", &message.headers.id), ("task", &message.headers.task)] {
            headers.insert(name.into(), AMQPValue::LongString(value.as_str().into()));
        }
        if let Some(origin) = &message.headers.origin {
            headers.insert("origin".into(), AMQPValue::LongString(origin.as_str().into()));
        }
        let transient = self.transient.contains(&message.headers.task.as_str());
        BasicProperties::default()
            .with_correlation_id(message.properties.correlation_id.as_str().into())
            .with_content_type(message.properties.content_type.as_str().into())
            .with_content_encoding(message.properties.content_encoding.as_str().into())
            .with_headers(headers)
            .with_delivery_mode(if transient { 1 } else { 2 })
    }
}

struct Deliveries {
    consumer: Consumer,
    on_error: Box<dyn Fn(BrokerError) + Send + Sync + 'static>,
    ended: bool,
}

impl DeliveryStream for Deliveries {}

impl Stream for Deliveries {
    type Item = Result<Box<dyn Delivery>, Box<dyn DeliveryError>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            // Celery drops this stream as soon as it receives the error.
            return Poll::Pending;
        }
        let reason = match std::task::ready!(self.consumer.poll_next_unpin(cx)) {
            Some(Ok(delivery)) => return Poll::Ready(Some(Ok(Box::new(Received(delivery))))),
            Some(Err(error)) => error.to_string(),
            None => "the broker cancelled the consumer".to_owned(),
        };
        self.ended = true;
        (self.on_error)(lost(&reason));
        Poll::Pending
    }
}

#[derive(Debug)]
struct Received(lapin::message::Delivery);

#[async_trait]
impl Delivery for Received {
    /// See [`Broker::retry`].
    async fn resend(&self, _: &dyn Broker, _: Option<DateTime<Utc>>) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn remove(&self) -> Result<(), BrokerError> {
        self.ack().await
    }

    async fn ack(&self) -> Result<(), BrokerError> {
        // Returns false if the connection is gone; the message is then redelivered, and its row is found done.
        self.0.ack(BasicAckOptions::default()).await.map(drop).map_err(|error| failed(&error))
    }
}

impl TryDeserializeMessage for Received {
    fn try_deserialize_message(&self) -> Result<Message, ProtocolError> {
        let properties = &self.0.properties;
        let headers = properties.headers().as_ref().ok_or(ProtocolError::MissingHeaders)?;
        let header = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::LongString(value)) => Ok(value.to_string()),
            _ => Err(ProtocolError::MissingRequiredHeader(name.into())),
        };
        let property = |name: &str, value: &Option<lapin::types::ShortString>| {
            value.as_ref().map(ToString::to_string).ok_or_else(|| ProtocolError::MissingRequiredProperty(name.into()))
        };
        Ok(Message {
            properties: MessageProperties {
                correlation_id: property("correlation_id", properties.correlation_id())?,
                content_type: property("content_type", properties.content_type())?,
                content_encoding: property("content_encoding", properties.content_encoding())?,
                reply_to: None,
            },
            headers: MessageHeaders { id: header("id")?, task: header("task")?, ..MessageHeaders::default() },
            raw_body: self.0.data.clone(),
        })
    }
}
