#!/usr/bin/python3
"""The other end of a connection, by an independent implementation, to be stopped and killed.

    grpc_peer.py serve                    answers /test.Test/Echo, and /test.Test/Stall never
    grpc_peer.py call ADDRESS METHOD      makes one call and prints the status that it ends with
"""
import sys
import threading
from concurrent import futures

import grpc


class Peer(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method == "/test.Test/Echo":
            return grpc.unary_unary_rpc_method_handler(lambda message, context: message)
        if call.method == "/test.Test/Stall":
            return grpc.unary_unary_rpc_method_handler(self.stall)
        return None

    @staticmethod
    def stall(message, context):
        print("stalling", flush=True)
        threading.Event().wait()


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Peer()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


def call(address, method):
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(method)(b"message")
            print("OK")
        except grpc.RpcError as error:
            print(error.code().name)


if sys.argv[1] == "serve":
    serve()
else:
    call(*sys.argv[2:])
