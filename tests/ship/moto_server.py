"""Moto's AWS on a loopback port, run by .venv/ship's Python. It knows which repository a request to ECR is about.

Moto checks signatures and actions against the caller's policies, but takes every resource of ECR for `*`: a policy for
one repository would deny everything.
"""

import sys

from moto.ecr.responses import ECRResponse
from moto.server import main


def _determine_resource(self: ECRResponse) -> str:
    name = self._get_param("repositoryName")
    return f"arn:aws:ecr:{self.region}:{self.current_account}:repository/{name}" if name else "*"


ECRResponse._determine_resource = _determine_resource
main(sys.argv[1:])
