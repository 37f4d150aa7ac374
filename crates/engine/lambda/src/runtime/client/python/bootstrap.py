"""Starts AWS's runtime interface client for Python the way the Lambda service lays out its path.

The function's own packages come first, then layers, then the client with the packages that AWS's
runtime bundles. The client itself is imported before the function can put anything in its place.
The interpreter runs with -S, so that packages of the host stay out of sight.
"""

import os
import site
import sys

site.setquit()
site.sethelper()

beside = os.path.dirname(os.path.abspath(__file__))
here = os.path.join(beside, "site")
sys.path[0:1] = [here, beside]

import awslambdaric.__main__ as client  # noqa: E402

if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    from lambdalab_template import TemplateClient  # noqa: E402

    client.LambdaRuntimeClient = TemplateClient

# Where the environment has its layers, which AWS's have at /opt.
opt = os.path.join(sys.argv.pop(1), "python")
version = "python%d.%d" % sys.version_info[:2]
layers = [os.path.join(opt, "lib", version, "site-packages"), opt]
extra = [os.environ["LAMBDA_TASK_ROOT"]] + [path for path in layers if os.path.isdir(path)]
sys.path[0:2] = extra + [here]

client.main(sys.argv)
