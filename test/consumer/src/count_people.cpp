#include <iostream>
#include <posemo_msgs/msg/person2_d_array.hpp>

int main() {
  posemo_msgs::msg::Person2DArray message;
  message.people.resize(2);
  std::cout << message.people.size() << " people\n";
}
