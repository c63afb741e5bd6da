import fastifyOtel from '@fastify/otel';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { NodeSDK } from '@opentelemetry/sdk-node';

/**
 * Starts OpenTelemetry: traces of requests and of calls to Docker, sent to an OTLP endpoint. Imported only when an
 * endpoint is set, and before fastify and dockerode, whose modules it instruments.
 */
export function startTracing(otlpEndpoint: string, version: string): { stop(): Promise<void> } {
  // The SDK's exporters read their settings from the standard variables; ours is one of several ways to set them.
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ??= otlpEndpoint;
  process.env['OTEL_EXPORTER_OTLP_PROTOCOL'] ??= 'http/protobuf';
  process.env['OTEL_TRACES_EXPORTER'] ??= 'otlp';
  process.env['OTEL_METRICS_EXPORTER'] ??= 'none';
  process.env['OTEL_LOGS_EXPORTER'] ??= 'none';
  process.env['OTEL_RESOURCE_ATTRIBUTES'] ??= `service.version=${version}`;
  // Scrapes come every few seconds and would drown the rest.
  const isScrape = (url: string | undefined) => url === '/metrics' || url === '/healthz' || url === '/readyz';
  const sdk = new NodeSDK({
    serviceName: 'gpuwarden',
    instrumentations: [
      new HttpInstrumentation({ ignoreIncomingRequestHook: ({ url }) => isScrape(url) }),
      new fastifyOtel.FastifyOtelInstrumentation({
        registerOnInitialization: true,
        ignorePaths: ({ url }) => isScrape(url),
      }),
    ],
  });
  sdk.start();
  return { stop: () => sdk.shutdown() };
}
