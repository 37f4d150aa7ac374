"""The Lambda handlers: each reads its event, computes, and answers with plain JSON.

Every handler first writes a line with the name of its log stream. On AWS, as on LambdaLab, each
execution environment has a log stream of its own, so a caller who asks for the log tail
(`LogType="Tail"`) can tell which environment gave which answer, while the answers themselves
stay comparable byte by byte.
"""

from algorithms import numerics


def fibonacci(event, context):
    """`{"n": 20}` → `{"n": 20, "fibonacci": 6765}`."""
    _log_environment(context)
    n = event["n"]
    return {"n": n, "fibonacci": numerics.fibonacci(n)}


def digest(event, context):
    """`{"seed": 0.37, "steps": 20000}` → the same event with the digest of its orbit."""
    _log_environment(context)
    seed, steps = float(event["seed"]), int(event["steps"])
    return {"seed": seed, "steps": steps, "digest": numerics.orbit_digest(seed, steps)}


def unstable_digest(event, context):
    """As `digest`, but the answer depends on the execution environment: see `numerics`."""
    _log_environment(context)
    seed, steps = float(event["seed"]), int(event["steps"])
    return {"seed": seed, "steps": steps, "digest": numerics.unstable_orbit_digest(seed, steps)}


def _log_environment(context):
    print(f"environment: {context.log_stream_name}")
