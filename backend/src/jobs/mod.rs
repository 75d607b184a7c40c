//! Background tasks: how they are enqueued, claimed and run.
//!
//! A task is a row; a message only says which row to look at. A message that is lost, duplicated or late changes nothing:
//! the row says whether there is something to do (`lease`), and the scheduler enqueues rows that are due.

mod amqp;
mod celery;
mod fault;
pub mod lease;
mod scheduler;
mod worker;

use tokio::sync::mpsc;

pub use self::{
    amqp::Endpoint,
    celery::{Producer, consume},
    fault::Fault,
    lease::{JobError, Progress},
    scheduler::run_scheduler,
    worker::{run, run_embedded},
};

/// Work to do, by the id of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    ProcessImport(i64),
    /// The worker makes all attempts that are due, not only this one, until none is left.
    DeliverWebhook(i64),
    RunBulk(i64),
}

/// Messages that are sent for a batch of deliveries; see [`Task::DeliverWebhook`].
const MAX_DELIVERY_MESSAGES: usize = 8;

/// How a task reaches a worker.
pub enum Queue {
    /// Through RabbitMQ, to any process.
    Celery(Producer),
    /// Within this process, if no broker is configured.
    Embedded(mpsc::UnboundedSender<Task>),
}

impl Queue {
    /// Enqueues deliveries that are committed, by at most [`MAX_DELIVERY_MESSAGES`] messages.
    pub fn enqueue_deliveries(&self, ids: &[i64]) {
        for id in ids.iter().take(MAX_DELIVERY_MESSAGES) {
            self.enqueue(Task::DeliverWebhook(*id));
        }
    }

    /// Enqueues a task whose row is committed. Best effort, without waiting: the scheduler makes up for a lost message.
    pub fn enqueue(&self, task: Task) {
        match self {
            Self::Celery(producer) => producer.enqueue(task),
            // The receiver is gone only when the process stops; the next process finds the row.
            Self::Embedded(sender) => drop(sender.send(task)),
        }
    }
}
