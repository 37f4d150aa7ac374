//! TCP flows: each is a connection inside and one outside, and bytes between them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::flow::{Ending, Flow};
use crate::packet::{Ends, Unreachable, unreachable};
use crate::permits::Permit;
use crate::pulse::Pulse;
use crate::stack::Stack;
use crate::{Shared, within};

/// How long a connection outside may take. Then nothing is said inside either, where it takes two
/// minutes and more to give up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is read at a time.
const PIECE: usize = 32 * 1024;

/// Makes the connection outside that `packet` asks for, and carries bytes until both sides have
/// ended or nothing has come of either for too long.
pub(crate) async fn carry(
    shared: Arc<Shared>,
    stack: Arc<Stack>,
    (ends, packet): (Ends, Vec<u8>),
    permit: Permit,
) {
    let made = within(&*shared.clock, PATIENCE, connect(&shared, ends)).await;
    let mut outside = match made {
        Some(Ok(outside)) => outside,
        Some(Err(error)) => {
            stack.forget(&ends);
            return refuse(&stack, packet, &error);
        }
        None => return stack.forget(&ends),
    };
    let pulse = Arc::new(Pulse::new(Arc::clone(&shared.clock)));
    let Ok(handle) = stack.open(ends, packet, Arc::clone(&pulse)) else {
        return;
    };
    let mut inside = Flow::new(stack, (handle, ends), Arc::clone(&pulse), permit);
    let copying = tokio::io::copy_bidirectional_with_sizes(&mut inside, &mut outside, PIECE, PIECE);
    let carried = tokio::select! {
        carried = copying => Some(carried),
        () = pulse.stops() => None,
    };
    match carried {
        Some(Ok(_)) => inside.end(Ending::InOrder),
        Some(Err(error)) => {
            tracing::trace!(%error, ?ends, "a flow broke off");
            reset(&outside);
        }
        None => {
            tracing::debug!(?ends, "nothing happened in a flow for too long");
            inside.end(Ending::Forgotten);
            reset(&outside);
        }
    }
}

/// Has the other side see that the connection broke off, rather than that it ended.
fn reset(outside: &TcpStream) {
    // Of no consequence where the connection is gone already.
    let _gone = outside.set_zero_linger();
}

async fn connect(shared: &Shared, ends: Ends) -> io::Result<TcpStream> {
    let outside = match shared.resolver.serves(ends.outside) {
        true => shared.resolver.connect().await?,
        false => TcpStream::connect(SocketAddr::V4(ends.outside)).await?,
    };
    outside.set_nodelay(true)?;
    Ok(outside)
}

/// Has the environment see what the host saw.
fn refuse(stack: &Stack, packet: Vec<u8>, error: &io::Error) {
    match error.kind() {
        io::ErrorKind::TimedOut => {}
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            stack.give(unreachable(Unreachable::Host, &packet));
        }
        _ => stack.take(packet),
    }
}
