-- What the nodes and the worker share: where Redis is, the fleet's name, how fast it may ask.
return function(sora)
  return sora.fleet {
    redis = os.getenv "REDIS_URL" or "redis://127.0.0.1:6379/0", name = "videos",
    client = sora.client {
      ca_file = os.getenv "SORA_CA_FILE", -- nil: the system's authorities
      request_timeout = 4,
    },
    rate = { requests = 20, seconds = 1 },
    lease = 6, -- seconds until another worker takes over what a dead one had: longer than a query
    max_interval = 5,
  }
end
