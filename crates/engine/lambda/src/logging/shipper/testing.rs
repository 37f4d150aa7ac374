//! A CloudWatch Logs that remembers what was put into it.

use std::any::Any;

use ids::{SeededEntropy, SystemClock, SystemEntropy};
use wire::logs::{PutLogEventsResponse, errors};
use wire::{BoxFuture, Call};

use super::*;

/// What it remembers.
#[derive(Default)]
pub(crate) struct Memory {
    groups: Vec<String>,
    pub(crate) streams: HashMap<String, Vec<(i64, String)>>,
    /// How many calls of PutLogEvents were taken.
    pub(crate) puts: usize,
    /// How many are refused before one is taken.
    pub(crate) refusals: usize,
}

struct Fake(Arc<Mutex<Memory>>);

/// A shipper that delivers there.
pub(crate) struct Recorder {
    pub(crate) shipper: Shipper,
    pub(crate) memory: Arc<Mutex<Memory>>,
}

pub(crate) fn destination(stream: &str) -> Destination {
    Destination {
        environment: EnvironmentId::draw(&SystemEntropy),
        account: "000000000000".into(),
        region: "us-east-1".into(),
        group: "/aws/lambda/f".to_owned(),
        stream: stream.to_owned(),
        json: false,
        made: AtomicBool::new(false),
    }
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let memory = Arc::<Mutex<Memory>>::default();
        let fake = Arc::new(Fake(Arc::clone(&memory)));
        let entropy = Arc::new(SeededEntropy::new(1));
        let shipper = Shipper::start(fake, SystemClock::shared(), entropy);
        Self { shipper, memory }
    }

    pub(crate) fn events(&self, stream: &str) -> Vec<(i64, String)> {
        let memory = self.memory.lock();
        memory.streams.get(stream).cloned().unwrap_or_default()
    }
}

impl Dispatch for Fake {
    fn dispatch(&self, call: Call) -> BoxFuture<'_, Result<Box<dyn Any + Send>, ServiceError>> {
        Box::pin(std::future::ready(self.0.lock().answer(call)))
    }
}

impl Memory {
    fn answer(&mut self, call: Call) -> Result<Box<dyn Any + Send>, ServiceError> {
        let Principal::Service(service) = &call.caller.principal else {
            panic!("{:?} calls", call.caller.principal);
        };
        assert_eq!(&*service.name, "lambda.amazonaws.com");
        let missing = || errors::resource_not_found_exception("missing");
        match call.operation {
            "CreateLogGroup" => {
                let (_, input) = call.open::<CreateLogGroup>()?;
                self.groups.extend(input.log_group_name);
                Ok(Box::new(()))
            }
            "CreateLogStream" => {
                let (_, input) = call.open::<CreateLogStream>()?;
                if !self.groups.contains(&input.log_group_name.unwrap()) {
                    return Err(missing());
                }
                let stream = input.log_stream_name.unwrap();
                self.streams.insert(stream, Vec::new());
                Ok(Box::new(()))
            }
            _ => {
                let (_, input) = call.open::<PutLogEvents>()?;
                self.put(input)?;
                Ok(Box::new(PutLogEventsResponse::default()))
            }
        }
    }

    fn put(&mut self, input: PutLogEventsRequest) -> Result<(), ServiceError> {
        if self.refusals > 0 {
            self.refusals -= 1;
            let mut busy = errors::service_unavailable_exception("busy");
            busy.status = http::StatusCode::SERVICE_UNAVAILABLE;
            return Err(busy);
        }
        self.puts += 1;
        let events = input.log_events.unwrap();
        assert!(events.is_sorted_by_key(|event| event.timestamp));
        let stream = self.streams.get_mut(&input.log_stream_name.unwrap());
        let stream = stream.ok_or_else(|| errors::resource_not_found_exception("missing"))?;
        stream.extend(
            events
                .into_iter()
                .map(|event| (event.timestamp.unwrap(), event.message.unwrap())),
        );
        Ok(())
    }
}
