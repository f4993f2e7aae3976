"""gRPC's own client of xDS, as a test drives it.

Starts two servers, and says their ports. Each line that it then reads is a target that it calls; it says the answer, or the status. The
bootstrap is in GRPC_XDS_BOOTSTRAP_CONFIG.
"""

import sys
from concurrent import futures

import grpc


class Named(grpc.GenericRpcHandler):
    """Answers every call with its name."""

    def __init__(self, name):
        self.name = name

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self.name)


def serve(name):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers((Named(name),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def call(channels, target):
    if target not in channels:
        channels[target] = grpc.insecure_channel("xds:///" + target)
    method = channels[target].unary_unary("/test.Service/Call")
    try:
        return method(b"", timeout=20).decode()
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def main():
    servers = [serve(name) for name in (b"one", b"two")]
    print(*(port for _, port in servers), flush=True)
    channels = {}
    for line in sys.stdin:
        print(call(channels, line.strip()), flush=True)
    for channel in channels.values():
        channel.close()
    for server, _ in servers:
        server.stop(None)


main()
