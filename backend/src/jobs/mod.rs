//! Tasks and the bell that is rung for them.
//!
//! A task is a row somewhere; a message only says which one to look at. A message that is lost, comes twice or comes late
//! changes nothing: the row tells whether there is something to do, and the sweep rings again for rows that wait.

mod amqp;
mod celery;
mod run;
mod sweep;

use tokio::sync::mpsc;

pub use self::{
    amqp::Endpoint,
    celery::{Producer, consume},
};
pub use run::{run, run_embedded};
pub use sweep::sweep;

/// Work to do, by the id of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    ProcessImport(i64),
    /// Who hears it makes all attempts that are due, not only this one, until nothing is left.
    DeliverWebhook(i64),
    RunBulk(i64),
}

/// Workers that are woken for a batch of deliveries.
const DELIVERY_RINGS: usize = 8;

/// How a task reaches a worker.
pub enum Queue {
    /// Through RabbitMQ, to any process.
    Celery(Producer),
    /// To this process itself, where no broker is configured.
    Embedded(mpsc::UnboundedSender<Task>),
}

impl Queue {
    /// Rings for deliveries that are committed. A few times, however many they are: see [`Task::DeliverWebhook`].
    pub fn ring_for_deliveries(&self, ids: &[i64]) {
        for id in ids.iter().take(DELIVERY_RINGS) {
            self.ring(Task::DeliverWebhook(*id));
        }
    }

    /// Rings for a task whose row is committed. Best effort, and does not wait: the sweep makes up for a lost ring.
    pub fn ring(&self, task: Task) {
        match self {
            Self::Celery(producer) => producer.ring(task),
            // The receiver goes away only when the process stops; whoever starts next finds the row.
            Self::Embedded(sender) => drop(sender.send(task)),
        }
    }
}
