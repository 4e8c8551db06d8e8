//! Queues of outputs, which nearly always stand empty.

use std::collections::VecDeque;

/// The next of a queue. One that is empty gives its room back: there are thousands of them.
pub(crate) fn take<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let next = queue.pop_front();
    if queue.is_empty() && queue.capacity() > 0 {
        *queue = VecDeque::new();
    }
    next
}
