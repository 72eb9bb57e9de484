// A sensor that speaks to Pilot Lab: ESP32 with Arduino, libraries PubSubClient and ArduinoJson are not needed.
// Uses the MQTT client of ESP-IDF, which has QoS 1 and keeps what is not confirmed (PubSubClient has QoS 0 only).
#include <WiFi.h>
#include <esp_random.h>
#include <esp_sntp.h>
#include <mqtt_client.h>
#include <sys/time.h>

const char *WIFI_NAME = "lab";
const char *WIFI_PASSWORD = "change-me";
const char *BROKER = "mqtt://192.168.1.10:1883";
const char *LAB = "gliwice";
const char *DEVICE = "meter-1";
const char *PASSWORD = "change-me";  // `pilotlab devices credentials meter-1`
const char *SIGNAL = "active_power_kw";
const uint32_t EVERY_MS = 1000;

char boot_id[9];
char will[32];
char topic_data[96], topic_birth[96], topic_death[96], topic_command[96], topic_reply[96];
uint32_t seq = 0;
esp_mqtt_client_handle_t client;

int64_t now_ns() {
  timeval now;
  gettimeofday(&now, nullptr);
  return (int64_t)now.tv_sec * 1000000000LL + (int64_t)now.tv_usec * 1000LL;
}

float measure() { return analogReadMilliVolts(34) / 1000.0f; }

void on_event(void *, esp_event_base_t, int32_t id, void *data) {
  auto event = static_cast<esp_mqtt_event_handle_t>(data);
  char text[256];
  if (id == MQTT_EVENT_CONNECTED) {  // a birth whenever it connects: the lab reads the clock from it
    snprintf(text, sizeof text, "{\"boot\":\"%s\",\"time\":%lld,\"firmware\":\"1.0\",\"signals\":[\"%s\"]}", boot_id,
             (long long)now_ns(), SIGNAL);
    esp_mqtt_client_enqueue(client, topic_birth, text, 0, 1, 1, true);
    esp_mqtt_client_subscribe(client, topic_command, 1);
  } else if (id == MQTT_EVENT_DATA) {  // {"id":"cmd_…","command":"report_seq",…}
    String asked(event->data, event->data_len);
    int from = asked.indexOf("\"id\":\"") + 6;
    String name = asked.substring(from, asked.indexOf('"', from));
    bool last = asked.indexOf("report_seq") >= 0;
    if (last) {
      snprintf(text, sizeof text, "{\"id\":\"%s\",\"result\":\"done\",\"detail\":\"{\\\"boot\\\":\\\"%s\\\",\\\"seq\\\":%lu}\"}",
               name.c_str(), boot_id, (unsigned long)(seq - 1));
    } else {
      snprintf(text, sizeof text, "{\"id\":\"%s\",\"result\":\"refused\",\"detail\":\"a sensor\"}", name.c_str());
    }
    esp_mqtt_client_enqueue(client, topic_reply, text, 0, 1, 0, true);
  }
}

void setup() {
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
  while (WiFi.status() != WL_CONNECTED) delay(200);
  configTime(0, 0, "pool.ntp.org");  // without a date nothing it says belongs to anybody
  while (sntp_get_sync_status() != SNTP_SYNC_STATUS_COMPLETED) delay(200);
  snprintf(boot_id, sizeof boot_id, "%08lx", (unsigned long)esp_random());
  snprintf(will, sizeof will, "{\"boot\":\"%s\"}", boot_id);
  snprintf(topic_data, sizeof topic_data, "pilotlab/%s/%s/data", LAB, DEVICE);
  snprintf(topic_birth, sizeof topic_birth, "pilotlab/%s/%s/birth", LAB, DEVICE);
  snprintf(topic_death, sizeof topic_death, "pilotlab/%s/%s/death", LAB, DEVICE);
  snprintf(topic_command, sizeof topic_command, "pilotlab/%s/%s/command", LAB, DEVICE);
  snprintf(topic_reply, sizeof topic_reply, "pilotlab/%s/%s/reply", LAB, DEVICE);
  esp_mqtt_client_config_t settings = {};
  settings.broker.address.uri = BROKER;
  settings.credentials.client_id = DEVICE;
  settings.credentials.username = DEVICE;
  settings.credentials.authentication.password = PASSWORD;
  settings.session.last_will.topic = topic_death;
  settings.session.last_will.msg = will;
  settings.session.last_will.qos = 1;
  settings.session.last_will.retain = 1;
  settings.session.keepalive = 20;
  client = esp_mqtt_client_init(&settings);
  esp_mqtt_client_register_event(client, MQTT_EVENT_ANY, on_event, nullptr);
  esp_mqtt_client_start(client);
}

void loop() {
  char text[192];
  snprintf(text, sizeof text, "{\"boot\":\"%s\",\"seq\":%lu,\"time\":%lld,\"values\":{\"%s\":%.4f}}", boot_id,
           (unsigned long)seq, (long long)now_ns(), SIGNAL, measure());
  if (esp_mqtt_client_enqueue(client, topic_data, text, 0, 1, 0, true) >= 0) seq++;  // kept until it is confirmed
  delay(EVERY_MS);
}
